"""An nginx of the tests: the one of docs/deploy.md, with its ports, names and paths replaced."""

from __future__ import annotations

import datetime
import getpass
import os
import shutil
import ssl
import subprocess
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.docs.reading import Document
from tests.processes import free_port

if TYPE_CHECKING:
    from pathlib import Path

WHAT_TO_DO = (
    "No nginx: install it (Debian: apt install nginx-light); without it the tests of Run Manager "
    "behind it are skipped."
)
PAGE = Document("docs/deploy.md")
# Who has served an answer, for the tests alone: nothing in the document adds a header.
INSTANCE = "X-Instance"
_MAIN = """
daemon off;
user {user};
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
{main}
http {{
    access_log off;
    add_header {instance} $upstream_addr always;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/run-manager.conf;
}}
"""


def find_nginx() -> str | None:
    """The program, which Debian keeps where an ordinary PATH does not lead."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def documented(replaced: dict[str, str]) -> str:
    """The document's configuration of the proxy, with each of these texts replaced by another."""
    text = PAGE.block("nginx", "upstream run_manager {")
    for before, after in replaced.items():
        assert before in text, f"docs/deploy.md has no {before!r}"
        text = text.replace(before, after)
    return text


class Nginx:
    """A running nginx in front of instances on these two ports, as the document has it.

    ``below`` is the location that serves it below a path. Without the program a test is skipped,
    or fails where CI runs it.
    """

    def __init__(self, folder: Path, ports: tuple[int, int], below: str) -> None:
        program = find_nginx()
        if program is None:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(WHAT_TO_DO)
        folder.mkdir()
        self._folder = folder
        self.port, self.plain_port = free_port(), free_port()
        self.certificate = folder / "certificate.pem"
        key = folder / "key.pem"
        _make_certificate(self.certificate, key)
        replaced = {
            "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            "listen 443 ssl;": f"listen 127.0.0.1:{self.port} ssl;",
            "https://runs.example.org": f"https://localhost:{self.port}",
            "/etc/ssl/certs/runs.example.org.pem": str(self.certificate),
            "/etc/ssl/private/runs.example.org.key": str(key),
            "server_name runs.example.org;": "server_name localhost;",
            "127.0.0.1:8501": f"127.0.0.1:{ports[0]}",
            "127.0.0.1:8502": f"127.0.0.1:{ports[1]}",
            "    location / {\n        proxy_pass http://run_manager;\n    }\n": below,
        }
        (folder / "run-manager.conf").write_text(documented(replaced), encoding="utf-8")
        configuration = folder / "nginx.conf"
        configuration.write_text(
            _MAIN.format(
                user=getpass.getuser(),
                folder=folder,
                instance=INSTANCE,
                main=PAGE.block("nginx", "worker_connections"),
            ),
            encoding="utf-8",
        )
        arguments = ["-p", str(folder), "-c", str(configuration), "-e", str(folder / "error.log")]
        with (folder / "output").open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603  # Debian's own program
                [program, *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    @property
    def is_running(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process.poll() is None

    @property
    def said(self) -> str:
        """What it has complained of."""
        files = (self._folder / name for name in ("output", "error.log"))
        return "".join(file.read_text(errors="replace") for file in files if file.exists())

    def trust(self) -> ssl.SSLContext:
        """TLS with nobody but this nginx."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def trust_of_threads(self) -> ssl.SSLContext:
        """The same for a client that reads in one thread and writes in another.

        In TLS 1.3 a server sends its session tickets after the handshake: to read them while
        another thread writes is more than Python's sockets allow, and now and then a request is
        lost.
        """
        trust = self.trust()
        trust.maximum_version = ssl.TLSVersion.TLSv1_2
        return trust

    def close(self) -> None:
        """End it, whoever is still connected."""
        self._process.terminate()
        self._process.wait(30)


def _make_certificate(certificate: Path, key: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [
        x509.DNSName("localhost"),
        x509.IPAddress(ip_address("127.0.0.1")),
    ]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    key.chmod(0o600)
