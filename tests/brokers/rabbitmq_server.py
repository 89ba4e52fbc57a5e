"""A RabbitMQ node for the tests: its own name, ports, folders, cookie and port mapper."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.brokers.listening import wait_for
from tests.ports import free_ports

SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""Debian's; the one on the PATH wants to become the user `rabbitmq` first."""

READY_WITHIN = 40.0
STOPPED_WITHIN = 15.0


def installed() -> bool:
    """Whether there is a RabbitMQ to start."""
    return SCRIPT.exists() and shutil.which("epmd") is not None


class RabbitServer:
    """One node; `start` returns when it takes connections."""

    def __init__(self) -> None:
        self.port, self._dist_port, self._epmd_port = free_ports(3)
        self._home = Path(tempfile.mkdtemp(prefix="rmq"))
        self._epmd: subprocess.Popen[bytes] | None = None
        self._node: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def start(self) -> None:
        """What an earlier run of this node has stored is there again."""
        env = self._environment()
        if self._epmd is None:
            self._epmd = subprocess.Popen(
                ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"], env=env
            )
            wait_for(self._epmd_port, self._epmd, READY_WITHIN)
        with (self._home / "output").open("ab") as output:
            self._node = subprocess.Popen([SCRIPT], env=env, stdout=output, stderr=output)
        wait_for(self.port, self._node, READY_WITHIN)

    def stop(self) -> None:
        """Orderly."""
        if self._node is not None:
            self._node.terminate()
            try:
                self._node.wait(STOPPED_WITHIN)
            except subprocess.TimeoutExpired:
                self._node.kill()
                self._node.wait()
            self._node = None

    def kill(self) -> None:
        """As a machine that fails, a moment after it has stored what it has confirmed."""
        if self._node is None:
            return
        if self._node.poll() is None:
            # It confirms exchanges and queues up to two seconds before they are on its disk, and
            # comes back with half of them.
            self._control("eval", "mnesia:sync_log().")
        self._end()

    def _end(self) -> None:
        if self._node is not None:
            self._node.kill()
            self._node.wait()
            self._node = None

    def _control(self, *command: str) -> None:
        subprocess.run(
            [SCRIPT.with_name("rabbitmqctl"), "--quiet", *command],
            env=self._environment(),
            check=True,
            capture_output=True,
            timeout=READY_WITHIN,
        )

    def restart(self) -> None:
        self.stop()
        self.start()

    def remove(self) -> None:
        """Stop it for good, with all that it has stored."""
        self._end()
        if self._epmd is not None:
            self._epmd.terminate()
            self._epmd.wait()
        shutil.rmtree(self._home, ignore_errors=True)

    def _environment(self) -> dict[str, str]:
        plugins = self._home / "plugins"
        plugins.write_text("[].\n")
        nowhere = str(self._home / "none")
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            # The cookie lies in it.
            "HOME": str(self._home),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": str(self._home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self._home / "log"),
            "RABBITMQ_PID_FILE": str(self._home / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_CONF_ENV_FILE": nowhere,
            "RABBITMQ_CONFIG_FILE": nowhere,
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{nowhere}.config",
            # With this the script becomes the node, and a signal to it is one to the node.
            "RABBITMQ_ALLOW_INPUT": "true",
            # One scheduler that sleeps when there is nothing to do.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-noinput +S 1:1 +sbwt none",
        }
