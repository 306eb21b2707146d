"""Workers on a real PostgreSQL server, started for the test."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from workers import SLOW, Workers, check_that_a_killed_worker_loses_nothing

psycopg = pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")


def find_server() -> Path | None:
    """Return the folder of PostgreSQL's programs, which Debian keeps off the path."""
    found = shutil.which("pg_ctl")
    places = [Path(found).parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").is_file()), None)


def as_server_user(command: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root: hand it to the user that Debian made for it."""
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else command


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Give the address of a database on a server of its own."""
    programs = find_server()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    place = Path("/tmp") / f"dagnn-postgres-{os.getpid()}"
    place.mkdir()
    if os.geteuid() == 0:
        try:
            shutil.chown(place, "postgres")
        except LookupError:
            pytest.skip("running as root, and there is no user 'postgres' to run the server as")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = place / "data"

    def run(*command: str) -> None:
        subprocess.run(
            as_server_user(list(command)), check=True, cwd=place, stdout=subprocess.DEVNULL
        )

    try:
        run(str(programs / "initdb"), "-D", str(data), "-U", "dagnn", "--auth=trust", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={place}"
        run(
            str(programs / "pg_ctl"), "-D", str(data), "-l", str(place / "log"), "-w",
            "-o", f"{options} -c fsync=off", "start",
        )  # fmt: skip
        try:
            yield f"postgresql://dagnn@127.0.0.1:{port}/postgres"
        finally:
            run(str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.mark.slow
def test_a_killed_worker_loses_nothing_on_postgres(server, spectra, tmp_path):
    options = ("--storage", server, "--heartbeat", "1")
    check_that_a_killed_worker_loses_nothing(Workers(tmp_path, spectra, *options, settings=SLOW))
