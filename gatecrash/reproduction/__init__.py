"""Stand-alone reproductions: one Python file, standard library only, that plays a scenario against a port."""

from gatecrash.reproduction.script import NotAlone, script, why_not_alone

__all__ = ["NotAlone", "script", "why_not_alone"]
