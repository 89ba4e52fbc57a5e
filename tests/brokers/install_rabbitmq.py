"""Puts Debian's RabbitMQ on this machine for the tests, where that can be done."""

import os
import shutil
import subprocess
import sys

from tests.brokers.rabbitmq_server import installed

APT = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=60", "-o", "Acquire::http::Timeout=20"]
UPDATE = [*APT, "update"]
INSTALL = [*APT, "install", "-y", "--no-install-recommends", "rabbitmq-server"]


def main() -> int:
    """Zero also where it can't: its tests then say that they were not run."""
    if installed():
        return 0
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("RabbitMQ: installing rabbitmq-server with apt-get")
        # Without this Debian starts the server, which nobody here has asked for.
        policy = {"RUNLEVEL": "1", "DEBIAN_FRONTEND": "noninteractive"}
        for command in (UPDATE, INSTALL):
            run = subprocess.run(
                command, env={**os.environ, **policy}, capture_output=True, text=True, check=False
            )
            if run.returncode:
                print(f"RabbitMQ: {' '.join(command)}: {run.stderr.strip()}", file=sys.stderr)
                break
    if not installed():
        print("RabbitMQ: not installed, its tests are not run")
    return 0


if __name__ == "__main__":
    sys.exit(main())
