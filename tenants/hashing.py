"""How passwords are hashed, and how many at a time."""

import threading
from typing import Final

from django.contrib.auth.hashers import Argon2PasswordHasher

AT_ONCE: Final = 2  # in a process: each takes its memory and a core, and others have work to do as well
_turns = threading.BoundedSemaphore(AT_ONCE)


class BoundedArgon2(Argon2PasswordHasher):
    """Argon2id with 46 MiB, twice what OWASP's password storage cheat sheet asks of that memory, in one thread.

    Django's own parameters take 100 MiB and eight threads; two hundred people who sign up at once would take 20 GB.
    """

    time_cost = 2
    memory_cost = 47104
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        with _turns:
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with _turns:
            return super().verify(password, encoded)
