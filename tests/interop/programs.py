"""The configurations of the web servers and proxies, and the commands that run them.

Each function writes what its program needs into a directory and returns the program's command. All
run in the foreground, listen on loopback only, and keep every file in that directory. They also
work for root: a server that gives up root's rights can still read the directory.
"""

import base64
import hashlib
import os
import subprocess
from pathlib import Path

from interop.certificates import Certificates
from support.process import find_program

Command = list[str | Path]


def _is_root() -> bool:
    return os.geteuid() == 0


def basic_token(user: str, password: str) -> str:
    """Return the credentials of HTTP's Basic scheme (RFC 7617)."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def _write_htpasswd(path: Path, user: str, password: str) -> None:
    """Write a password file in the one format that all the servers here read."""
    openssl = find_program("openssl", package="openssl")
    command = [openssl, "passwd", "-apr1", password]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    path.write_text(f"{user}:{result.stdout}")


def nginx(
    directory: Path, port: int, backend: int, certificates: Certificates | None, *, mutual: bool
) -> Command:
    """Nginx in front of the server on *backend*, over TLS where it has certificates.

    ``/private`` asks for a password, ``/gone`` leads to a server that is not there, and every
    other path that is not ``/echo``, ``/headers``, ``/close`` or ``/large`` is not found. With
    *mutual*, only clients with a certificate of our authority get in.
    """
    _write_htpasswd(directory / "nginx.htpasswd", "Aladdin", "open sesame")
    tls = ""
    if certificates is not None:
        tls = f"""
            ssl_certificate {certificates.server.certificate};
            ssl_certificate_key {certificates.server.key};
            ssl_client_certificate {certificates.ca};
            ssl_verify_client {"on" if mutual else "off"};"""
    forward = f"""
            proxy_pass http://127.0.0.1:{backend};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header Host $http_host;
            proxy_set_header X-Client-Subject $ssl_client_s_dn;"""
    if certificates is None:
        forward = forward.replace("$ssl_client_s_dn", "none")
    configuration = directory / f"nginx-{port}.conf"
    configuration.write_text(
        f"""
    {"user root;" if _is_root() else ""}
    daemon off;
    worker_processes 1;
    error_log stderr info;
    pid {directory}/nginx-{port}.pid;
    events {{ worker_connections 128; }}
    http {{
        access_log off;
        client_body_temp_path {directory}/nginx-{port}-body;
        proxy_temp_path {directory}/nginx-{port}-proxy;
        fastcgi_temp_path {directory}/nginx-{port}-fastcgi;
        uwsgi_temp_path {directory}/nginx-{port}-uwsgi;
        scgi_temp_path {directory}/nginx-{port}-scgi;
        server {{
            listen 127.0.0.1:{port} {"ssl" if certificates else ""};{tls}
            root {directory}/nothing-here;
            location ~ ^/(echo|headers|close|large)$ {{{forward}
            }}
            location = /private {{
                auth_basic "interop basic";
                auth_basic_user_file {directory}/nginx.htpasswd;
                rewrite ^ /headers break;{forward}
            }}
            location = /gone {{ proxy_pass http://127.0.0.1:1; }}
        }}
    }}
    """
    )
    program = find_program("nginx", package="nginx")
    return [program, "-p", directory, "-e", "stderr", "-c", configuration]


def apache(directory: Path, port: int, backend: int) -> Command:
    """Apache in front of the server on *backend*: ``/digest`` wants Digest, ``/basic`` Basic."""
    program = find_program("apache2", package="apache2-bin")
    secret = hashlib.md5(b"Mufasa:interop digest:Circle of Life").hexdigest()  # noqa: S324
    (directory / "apache.htdigest").write_text(f"Mufasa:interop digest:{secret}\n")
    _write_htpasswd(directory / "apache.htpasswd", "Aladdin", "open sesame")
    modules = [
        *("mpm_event", "authn_core", "authz_core", "authz_user", "authn_file"),
        *("auth_basic", "auth_digest", "proxy", "proxy_wstunnel"),
    ]
    loads = "\n".join(
        f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in modules
    )
    runtime = directory / f"apache-{port}"
    runtime.mkdir(exist_ok=True)
    configuration = directory / f"apache-{port}.conf"
    configuration.write_text(
        f"""
        ServerRoot {runtime}
        DefaultRuntimeDir {runtime}
        PidFile {runtime}/pid
        ServerName localhost
        Listen 127.0.0.1:{port}
        ErrorLog /dev/stderr
        LogLevel warn auth_digest:debug
        KeepAlive On
        {loads}
        {"User nobody" if _is_root() else ""}
        {"Group nogroup" if _is_root() else ""}
        <Location /digest>
            AuthType Digest
            AuthName "interop digest"
            AuthDigestProvider file
            AuthUserFile {directory}/apache.htdigest
            Require valid-user
            ProxyPass ws://127.0.0.1:{backend}/headers
        </Location>
        <Location /basic>
            AuthType Basic
            AuthName "interop basic"
            AuthBasicProvider file
            AuthUserFile {directory}/apache.htpasswd
            Require valid-user
            ProxyPass ws://127.0.0.1:{backend}/headers
        </Location>
        """
    )
    return [program, "-DFOREGROUND", "-f", configuration]


def tinyproxy(directory: Path, port: int, user_and_password: tuple[str, str] | None) -> Command:
    """Tinyproxy, which asks for a password if it was given one."""
    configuration = directory / f"tinyproxy-{port}.conf"
    basic_auth = f"BasicAuth {' '.join(user_and_password)}" if user_and_password else ""
    configuration.write_text(
        f"""
        Port {port}
        Listen 127.0.0.1
        Timeout 600
        MaxClients 50
        LogLevel Connect
        {basic_auth}
        """
    )
    return [find_program("tinyproxy", package="tinyproxy"), "-d", "-c", configuration]


def squid(
    directory: Path,
    port: int,
    *,
    password: tuple[str, str] | None = None,
    scheme: str = "basic",
) -> Command:
    """Squid, which alone knows the names under ``interop.test`` and denies ``denied.interop.test``.

    With *password* it asks for that, by HTTP's Basic or Digest *scheme*.
    """
    program = find_program("squid", package="squid")
    hosts = directory / "hosts"
    hosts.write_text("127.0.0.1 localhost echo.interop.test denied.interop.test\n")
    authentication, condition = "", ""
    if password is not None:
        user, secret = password
        helper = "basic_ncsa_auth" if scheme == "basic" else "digest_file_auth"
        users = directory / f"squid-{port}.users"
        if scheme == "basic":
            _write_htpasswd(users, user, secret)
        else:
            users.write_text(f"{user}:{secret}\n")
        authentication = f"""
        auth_param {scheme} program /usr/lib/squid/{helper} {users}
        auth_param {scheme} children 1 startup=1
        auth_param {scheme} realm interop squid
        acl known proxy_auth REQUIRED"""
        condition = "known"
    configuration = directory / f"squid-{port}.conf"
    configuration.write_text(
        f"""
        http_port 127.0.0.1:{port}{authentication}
        acl denied dstdomain denied.interop.test
        http_access deny denied
        http_access allow localhost {condition}
        http_access deny all
        hosts_file {hosts}
        visible_hostname localhost
        cache deny all
        cache_log /dev/null
        access_log none
        pid_filename none
        netdb_filename none
        coredump_dir {directory}
        pinger_enable off
        shutdown_lifetime 0 seconds
        max_filedescriptors 1024
        """
    )
    return [program, "-N", "-d", "1", "-f", configuration]


def microsocks(port: int, user_and_password: tuple[str, str] | None) -> Command:
    """Microsocks, which asks for a password if it was given one."""
    command: Command = [find_program("microsocks", package="microsocks")]
    command += ["-i", "127.0.0.1", "-p", str(port)]
    if user_and_password:
        command += ["-u", user_and_password[0], "-P", user_and_password[1]]
    return command


def danted(directory: Path, port: int, *, method: str = "none", allowed: str = "pass") -> Command:
    """Dante's server; its ``username`` *method* asks the operating system, so nobody gets in."""
    user = "root" if _is_root() else str(os.geteuid())
    configuration = directory / f"danted-{port}.conf"
    users = f"user.privileged: {user}\nuser.unprivileged: nobody" if _is_root() else ""
    configuration.write_text(
        f"""
logoutput: stderr
internal: 127.0.0.1 port = {port}
external: lo
clientmethod: none
socksmethod: {method}
{users}
client pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}
socks {allowed} {{ from: 127.0.0.0/8 to: 0.0.0.0/0 command: connect }}
"""
    )
    program = find_program("danted", package="dante-server")
    return [program, "-f", configuration, "-p", directory / f"danted-{port}.pid"]
