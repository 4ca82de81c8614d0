"""What it costs to judge a small correct server in each of the languages that people write their first server in.

    python -m benchmarks.hello_servers [NAME...]

Checks each under `quick` and prints wall clock, processor time of the tester and its children, and how the run ended. A
server whose compiler or interpreter is not there is named and left out. Limit: 20 s on two idle processors.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_JAVA = r"""
import java.io.*;
import java.net.*;
import java.nio.charset.StandardCharsets;
public class Hello {
    static void serve(Socket client) {
        try (client) {
            client.setSoTimeout(10_000);
            InputStream in = new BufferedInputStream(client.getInputStream());
            StringBuilder head = new StringBuilder();
            for (int one; head.indexOf("\r\n\r\n") < 0 && head.length() < 8192; head.append((char) one))
                if ((one = in.read()) < 0) return;
            String answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n";
            if (!head.toString().startsWith("HEAD ")) answer += "hello\n";
            client.getOutputStream().write(answer.getBytes(StandardCharsets.US_ASCII));
            client.shutdownOutput();
            while (in.read() >= 0) { }
        } catch (IOException gone) { }
    }
    public static void main(String[] words) throws Exception {
        ServerSocket listener = new ServerSocket(Integer.parseInt(words[0]), 64);
        while (true) {
            try {
                Socket client = listener.accept();
                new Thread(() -> serve(client)).start();
            } catch (IOException transientError) {
                Thread.sleep(10);
            }
        }
    }
}
"""
_GO = r"""
package main
import ("fmt"; "net/http"; "os"; "time")
func main() {
    http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello\n") })
    server := &http.Server{Addr: ":" + os.Args[1], ReadTimeout: 10 * time.Second, IdleTimeout: 30 * time.Second}
    fmt.Fprintln(os.Stderr, server.ListenAndServe())
    os.Exit(1)
}
"""
_NODE = r"""
require('http').createServer((request, response) => {
  response.writeHead(200, {'Content-Type': 'text/plain', 'Content-Length': 6});
  response.end(request.method === 'HEAD' ? undefined : 'hello\n');
}).listen(Number(process.argv[2]));
"""
_RUST = r"""
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
fn serve(mut client: TcpStream) -> std::io::Result<()> {
    client.set_read_timeout(Some(std::time::Duration::from_secs(10)))?;
    let (mut head, mut part) = (Vec::new(), [0u8; 1024]);
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        let got = client.read(&mut part)?;
        if got == 0 || head.len() > 8192 { return Ok(()); }
        head.extend_from_slice(&part[..got]);
    }
    client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n")?;
    if !head.starts_with(b"HEAD ") { client.write_all(b"hello\n")?; }
    client.shutdown(Shutdown::Write)?;
    while client.read(&mut part)? > 0 {}
    Ok(())
}
fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).expect("a port").parse().expect("a number");
    let listener = TcpListener::bind(("0.0.0.0", port))?;
    loop {
        match listener.accept() {
            Ok((client, _)) => { std::thread::spawn(move || { let _ = serve(client); }); }
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(10)),
        }
    }
}
"""


@dataclass(frozen=True)
class Hello:
    """One server: the file its source goes to, how that is built (if it is), how it is started, in its folder."""

    name: str
    file: str
    source: str
    start: str
    build: tuple[str, ...] = ()

    @property
    def tool(self) -> str:
        """What has to be installed."""
        return self.build[0] if self.build else self.start.partition(" ")[0]


SERVERS = (
    Hello("java", "Hello.java", _JAVA, "java -cp . Hello {port}", ("javac", "Hello.java")),
    Hello("go", "hello.go", _GO, "./hello {port}", ("go", "build", "-o", "hello", "hello.go")),
    Hello("node", "hello.js", _NODE, "node hello.js {port}"),
    Hello("rust", "hello.rs", _RUST, "./hello {port}", ("rustc", "-O", "hello.rs")),
)


def measured(one: Hello, folder: Path) -> str:
    """One check, in words."""
    (folder / one.file).write_text(one.source)
    if one.build:
        subprocess.run(one.build, cwd=folder, check=True)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    words = [sys.executable, "-m", "gatecrash", "check", one.start]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "LANG": "C.UTF-8", "LANGUAGE": "en"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    said = next((line for line in reversed(done.stdout.splitlines()) if " hold, " in line), done.stderr[-200:])
    return f"{wall:6.1f}s {processor:6.1f}s   {said}"


def main() -> None:
    """Check those that are asked for, or all."""
    print(f"{'server':8} {'wall':>7} {'cpu':>7}   how it ended")
    for one in SERVERS:
        if sys.argv[1:] and one.name not in sys.argv[1:]:
            continue
        if shutil.which(one.tool) is None:
            print(f"{one.name:8} left out: {one.tool} is not installed")
            continue
        with tempfile.TemporaryDirectory(prefix="gatecrash-") as folder:
            print(f"{one.name:8} {measured(one, Path(folder))}", flush=True)


if __name__ == "__main__":
    main()
