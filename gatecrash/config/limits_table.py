"""The [limits] table of a contract: what a submission is given, and each build of it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from gatecrash.language import marked


def _whole(least: int, most: int, description: str) -> int | None:
    field: int | None = Field(default=None, ge=least, le=most, description=description)
    return field


class LimitsTable(BaseModel):
    """As `gatecrash.model.confinement.Confinement` has them."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    memory: int | None = _whole(16, 1 << 20, marked("a whole number of MiB from 16 to 1048576"))
    processes: int | None = _whole(8, 65536, marked("a whole number from 8 to 65536"))
    cpu_seconds: int | None = _whole(1, 86400, marked("whole seconds from 1 to 86400"))
    open_files: int | None = _whole(64, 1 << 20, marked("a whole number from 64 to 1048576"))
    file_size: int | None = _whole(1, 1 << 20, marked("a whole number of MiB from 1 to 1048576"))
    disk: int | None = _whole(1, 1 << 20, marked("a whole number of MiB from 1 to 1048576"))
    inodes: int | None = _whole(64, 1 << 20, marked("a whole number from 64 to 1048576"))
    output: int | None = _whole(1, 1 << 20, marked("a whole number of MiB from 1 to 1048576"))
    build_seconds: int | None = _whole(1, 86400, marked("whole seconds from 1 to 86400"))
    build_memory: int | None = _whole(64, 1 << 20, marked("a whole number of MiB from 64 to 1048576"))
    build_disk: int | None = _whole(8, 1 << 20, marked("a whole number of MiB from 8 to 1048576"))
