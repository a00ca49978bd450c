import os
from pathlib import Path

import environ
import psycopg.conninfo
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from recomengine.local import paths

names = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=60)
checkouts = st.lists(names.filter(lambda name: name not in {".", ".."}), min_size=1, max_size=5)


@pytest.fixture
def as_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


@given(checkouts)
def test_every_checkout_has_short_plain_socket_paths(parts: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: 1000)
        root = Path("/", *parts)
        for socket in (paths.postgres_socket(root), paths.valkey_socket(root)):
            assert len(os.fsencode(socket)) <= 103
            assert not set(" ,%?#") & set(str(socket))


@given(checkouts)
def test_the_addresses_name_the_sockets(parts: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: 1000)
        root = Path("/", *parts)
        parsed = psycopg.conninfo.conninfo_to_dict(paths.database_url(root))
        assert f"{parsed['host']}/.s.PGSQL.{parsed['port']}" == str(paths.postgres_socket(root))
        assert parsed["user"] == parsed["dbname"] == "recomengine"
        client = redis.Redis.from_url(paths.redis_url(root, database=3))
        wanted = {"path": str(paths.valkey_socket(root)), "db": 3}
        assert wanted.items() <= client.connection_pool.connection_kwargs.items()


@pytest.mark.usefixtures("as_user")
def test_django_environ_reads_the_database_address(tmp_path: Path) -> None:
    parsed = environ.Env.db_url_config(paths.database_url(tmp_path))
    assert parsed["ENGINE"] == "django.db.backends.postgresql"
    assert (parsed["NAME"], parsed["USER"], parsed["HOST"]) == ("recomengine", "recomengine", "")
    assert parsed["OPTIONS"] == {"host": str(paths.socket_dir(tmp_path)), "port": 5432}


@pytest.mark.usefixtures("as_user")
def test_two_checkouts_share_nothing() -> None:
    one, other = Path("/srv", "one" * 50), Path("/srv", "other" * 50)
    assert paths.socket_dir(one) != paths.socket_dir(other)
    assert paths.database_url(one) != paths.database_url(other)
    assert paths.redis_url(one) != paths.redis_url(other)


@pytest.mark.usefixtures("as_user")
def test_a_checkout_reached_through_a_link_is_the_same_checkout(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    assert paths.database_url(link) == paths.database_url(tmp_path)


@pytest.mark.usefixtures("as_user")
def test_an_ordinary_user_keeps_everything_in_the_checkout(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert paths.state_dir(tmp_path) == tmp_path / ".local"


def test_root_keeps_the_data_outside_a_checkout_that_others_cannot_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    tmp_path.chmod(0o700)
    assert paths.state_dir(tmp_path).parent == Path("/var/lib")
    assert paths.state_dir(tmp_path) in paths.postgres_socket(tmp_path).parents
    assert paths.state_dir(Path("/usr")) == Path("/usr/.local")
