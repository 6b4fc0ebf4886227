"""From the file of a service account's key to the block, which shows nothing of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blocks.lake import gcp_credentials
from tests.servers.google_token import service_account_file


def test_key_is_in_the_block_and_shown_nowhere(tmp_path: Path) -> None:
    file = service_account_file(tmp_path / "key.json", "http://127.0.0.1:9/token", "test-project")
    key = json.loads(file.read_text())
    block = gcp_credentials(None, file)
    assert block.project == "test-project"
    assert block.service_account_info is not None
    assert block.service_account_info.get_secret_value() == key
    shown = f"{block!r} {block} {block.model_dump()} {block.model_dump_json()} {vars(block)}"
    assert [secret for secret in (key["private_key_id"], key["private_key"].splitlines()[5]) if secret in shown] == []


@pytest.mark.parametrize(
    "content",
    [
        "",
        "PRIVATE",
        "[]",
        "{}",
        '{"type": "authorized_user", "refresh_token": "PRIVATE"}',
        '{"type": "service_account", "private_key": "PRIVATE", "client_email": "a@b", "token_uri": "http://127.0.0.1:9"}',
    ],
)
def test_another_file_is_refused_and_nothing_of_it_shown(tmp_path: Path, content: str) -> None:
    """Nor are the machine's own credentials taken instead."""
    file = tmp_path / "key.json"
    file.write_text(content)
    with pytest.raises(
        ValueError, match=r"FILE=.*key\.json is not the key of a service account: .* Set it to a"
    ) as error:
        gcp_credentials(None, file)
    assert "PRIVATE" not in str(error.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"nowhere\.json is not the key of a service account: No such file or directory"
    ):
        gcp_credentials(None, tmp_path / "nowhere.json")
