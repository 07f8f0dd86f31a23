"""Whom pseudonyms stand for, from the store of pseudonyms and that of people together, for one thread."""

from collections.abc import Iterable, Mapping, Sequence

from gateway.crypto.keyring import KeyRing
from gateway.crypto.pseudonym import is_pseudonym
from gateway.stores.ports import PseudonymStore, SubjectStore
from gateway.stores.pseudonyms import MintedRow
from gateway.stores.subjects import Subject


class Holders:
    """Owns both stores. Every call raises StoreDown (CONSENT_STORE_DOWN) where one of them cannot answer."""

    def __init__(self, keys: KeyRing, pseudonyms: PseudonymStore, subjects: SubjectStore) -> None:
        self._keys = keys
        self._pseudonyms = pseudonyms
        self._subjects = subjects

    def versions(self) -> tuple[int, int] | None:
        """Another pair after each write after which `find` can answer otherwise about somebody whom it has found.

        None while such a write is under way, or died halfway.
        """
        pseudonyms, subjects = self._pseudonyms.version(), self._subjects.version()
        return None if pseudonyms is None or subjects is None else (pseudonyms, subjects)

    def find(self, texts: Iterable[str]) -> dict[str, Subject]:
        """The people by pseudonym. Left out is what is none, was not given out here, or stands for two people."""
        found = {}
        for text in texts:
            if is_pseudonym(text):
                living = self._subjects.with_keys(self._pseudonyms.persons(self._keys.pseudonym_index(text)))
                if len(living) == 1:
                    found[text] = living[0]
        return found

    def keep(self, pseudonyms: Mapping[str, Sequence[str]]) -> dict[str, Subject]:
        """Have pseudonyms, by identifier, lead to its person from now on, durable when this returns.

        An identifier can be a pseudonym itself. Returns the people; who was erased meanwhile is not among them.
        """
        people = self._people(pseudonyms)
        rows = [
            MintedRow(self._keys.pseudonym_index(pseudonym), person.digest)
            for identifier, person in people.items()
            for pseudonym in pseudonyms[identifier]
        ]
        self._pseudonyms.keep(rows)
        # An erasure may have looked for rows before these were written.
        here = set(self._subjects.holds({person.digest for person in people.values()}))
        gone = {person.digest for person in people.values()} - here
        if gone:
            self._pseudonyms.forget(sorted(gone))
        return {identifier: person for identifier, person in people.items() if person.digest in here}

    def close(self) -> None:
        self._pseudonyms.close()
        self._subjects.close()

    def _people(self, identifiers: Iterable[str]) -> dict[str, Subject]:
        indexes, meant = {}, []
        for identifier in identifiers:
            try:
                indexes[identifier] = self._keys.subject_index(identifier)
            except ValueError:
                meant.append(identifier)
        found = self._subjects.at(list(dict.fromkeys(indexes.values())))
        named = {identifier: found[index] for identifier, index in indexes.items() if index in found}
        return named | self.find(meant)
