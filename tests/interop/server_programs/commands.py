"""The commands of the examples, and of the programs that several server processes need."""

import importlib
import os
import sys
from pathlib import Path

from support.process import find_program
from support.qtmodule import MODULE_NAME, ON_QT

HERE = Path(__file__).parent
EXAMPLES = Path(__file__).parents[3] / "examples"

Command = list[str | Path]


def example(name: str, *arguments: str | Path | int) -> Command:
    """The command that runs an example, or another program, on the module under test."""
    words = [word if isinstance(word, Path) else str(word) for word in arguments]
    runner = HERE / "run_example.py"
    return [sys.executable, "-P", runner, MODULE_NAME, EXAMPLES / name, *words]


def environment() -> dict[str, str]:
    """The environment in which the examples find the very package that is under test here."""
    variables = dict(os.environ, PYTHONUTF8="1", PYTHONFAULTHANDLER="1")
    variables["QT_QPA_PLATFORM"] = "offscreen"
    if not ON_QT:
        package = Path(importlib.import_module("pyqwebsocket").__file__).parent
        variables["PYTHONPATH"] = str(package.parent)
    return variables


def redis_server(directory: Path, port: int) -> Command:
    """Redis, which keeps nothing on the disk."""
    program = find_program("redis-server", package="redis-server")
    network = ["--bind", "127.0.0.1", "--port", str(port)]
    return [program, *network, "--save", "", "--appendonly", "no", "--dir", directory]


def nginx_balancer(directory: Path, port: int, backends: list[int]) -> Command:
    """Nginx, which hands the clients out to the servers on *backends* in turn."""
    servers = "\n".join(f"server 127.0.0.1:{backend};" for backend in backends)
    temporary = "\n".join(
        f"{kind}_temp_path {directory}/balancer-{port}-{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = directory / f"balancer-{port}.conf"
    configuration.write_text(
        f"""
    {"user root;" if os.geteuid() == 0 else ""}
    daemon off;
    worker_processes 1;
    error_log stderr info;
    pid {directory}/balancer-{port}.pid;
    events {{ worker_connections 256; }}
    http {{
        access_log off;
        {temporary}
        upstream chat {{ {servers} }}
        server {{
            listen 127.0.0.1:{port};
            location / {{
                proxy_pass http://chat;
                proxy_http_version 1.1;
                proxy_set_header Upgrade $http_upgrade;
                proxy_set_header Connection "upgrade";
                proxy_set_header Host $http_host;
                proxy_read_timeout 1h;
            }}
        }}
    }}
    """
    )
    program = find_program("nginx", package="nginx")
    return [program, "-p", directory, "-e", "stderr", "-c", configuration]
