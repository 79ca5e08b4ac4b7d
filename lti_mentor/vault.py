"""Secrets at rest: sealed with keys derived from the secret key of the installation, or only a hash of them kept."""

import base64
import hashlib
from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lti_mentor.errors import SettingsError


def hashed(secret: str) -> str:
    """What is kept of a long random secret that only has to be recognized; see ``Vault.recognizable`` for others."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Vault:
    """Seals and opens secrets, one derived key per purpose; the first secret seals, all of them open."""

    def __init__(self, secret_keys: tuple[str, ...]) -> None:
        self._secret_keys = secret_keys

    def seal(self, purpose: str, secret: bytes) -> str:
        return self._ring(purpose).encrypt(secret).decode("ascii")

    def open(self, purpose: str, sealed: str) -> bytes:
        """Raises SettingsError when no secret key of this installation fits."""
        try:
            return self._ring(purpose).decrypt(sealed.encode("ascii"))
        except InvalidToken:
            raise SettingsError(
                "A stored secret cannot be opened:"
                " put the secret key it was sealed with back into LTI_MENTOR_SECRET_KEY."
            ) from None

    def reseal(self, purpose: str, sealed: str) -> str:
        """The same secret under the current key."""
        return self.seal(purpose, self.open(purpose, sealed))

    def recognizable(self, purpose: str, text: str) -> str:
        """What is kept of something that could be guessed, such as an address: without the key nobody can try."""
        return _hmac(_derive(self._secret_keys[0], purpose), text.encode()).hex()

    def fingerprint(self, purpose: str, secret: bytes) -> bytes:
        """A fast keyed hash (32 bytes) under the current key, for random secrets only."""
        return self.fingerprints(purpose, secret)[0]

    def fingerprints(self, purpose: str, secret: bytes) -> list[bytes]:
        """The same under every key, current first: a value stored before a rotation is still found."""
        return [_hmac(_derive(key, purpose), secret) for key in self._secret_keys]

    def _ring(self, purpose: str) -> MultiFernet:
        return MultiFernet([Fernet(base64.urlsafe_b64encode(_derive(k, purpose))) for k in self._secret_keys])


@cache
def _derive(secret_key: str, purpose: str) -> bytes:
    hkdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=f"lti-mentor:{purpose}".encode())
    return hkdf.derive(secret_key.encode())


def _hmac(key: bytes, message: bytes) -> bytes:
    mac = hmac.HMAC(key, hashes.SHA256())
    mac.update(message)
    return mac.finalize()
