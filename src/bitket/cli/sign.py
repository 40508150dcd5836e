"""``bitket keys``, ``bitket sign`` and ``bitket verify``: signatures of files by one-time keys."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from bitket.cli import options
from bitket.cli.console import console
from bitket.cli.folders import require_writable
from bitket.cli.options import Json, number
from bitket.errors import InvalidInput
from bitket.files import opened, read_bytes

__all__ = ["register"]


_LONGEST = 1 << 20
"""Bytes that no signature has."""


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    for verb in (keys, sign, verify):
        app.command()(verb)


def keys(
    folder: Annotated[Path, typer.Argument(help="Folder for signer.keys, receiver1.keys and receiver2.keys.")],
    bits: Annotated[
        int, number("key bits", help="Key bits of each; a signature takes three times the bits of its hash.")
    ] = 1_000_000,
    as_json: Json = False,
) -> None:
    """Make key files for a trial on one machine. Example: bitket keys keys --bits 100000"""
    from bitket.networks.signatures.keys import make_stores
    from bitket.quantum.simulation.memory import require

    require(6 * bits / 8, f"three files of {bits} key bits")  # the draws, and the words that are written
    parent = next(p for p in folder.absolute().parents if p.exists())
    there = shutil.disk_usage(parent).free
    if 3 * bits / 8 > there:
        raise InvalidInput(
            f"{folder}: three files of {bits} key bits take {3 * bits // 8} bytes; {there} are free there"
        )
    stores = make_stores(folder, bits)
    if as_json:
        print(json.dumps({store.party: str(store.path) for store in stores} | {"bits": stores[0].left()}))
    else:
        for store in stores:
            console().print(f"{store.path}  {store.party}, {store.left()} bits", markup=False)
        console().print("Give each receiver its own file, and show it to nobody else but the signer.")


def sign(
    file: Annotated[Path, options.file(help="The file to sign, of any length.")],
    key_file: Annotated[Path, options.file("FILE", "--keys", help="The signer's key file.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The signature; FILE.qds if left out.")] = None,
    bits: Annotated[int, number("hash bits", help="Bits of the hash, more for keys that are not perfect.")] = 128,
    as_json: Json = False,
) -> None:
    """Sign a file. Example: bitket sign report.pdf --keys keys/signer.keys"""
    from bitket.networks.signatures.keys import KeyStore
    from bitket.networks.signatures.protocol import Signer, forgery_probability
    from bitket.runs.files import write_bytes

    output = output or file.with_name(file.name + ".qds")
    size = _size(file)
    _replaceable(output)
    signer = Signer(KeyStore(key_file))
    signature = signer.sign(_shown(file, size, "signing", as_json), bits)
    write_bytes(output, signature.to_bytes())
    out = {
        "signature": str(output),
        "message_bytes": size,
        "bits": bits,
        "key_bits_used": 3 * bits,
        "key_bits_left": signer.store.left(),
        "forgery_probability": forgery_probability(8 * size, bits),
    }
    if as_json:
        print(json.dumps(out))
    else:
        console().print(
            f"{output}: {size} bytes signed with {3 * bits} key bits, {out['key_bits_left']} are left; with perfect keys a forgery that "
            f"is no longer succeeds with probability below {out['forgery_probability']:.2g}",
            markup=False,
        )


def verify(
    file: Annotated[Path, options.file(help="The file.")],
    signature_file: Annotated[Path, options.file("SIGNATURE", help="Its signature, FILE.qds.")],
    key_file: Annotated[Path, options.file("FILE", "--keys", help="A receiver's key file.")],
    peer: Annotated[Path, options.file("FILE", "--peer-keys", help="The other receiver's key file.")],
    bits: Annotated[int, number("hash bits", help="Fewest bits of the hash that are accepted.")] = 128,
    as_json: Json = False,
) -> None:
    """Check a signature, once: it uses the keys up. Exit status 0 if valid, 1 if not.

    Example: bitket verify report.pdf report.pdf.qds --keys keys/receiver1.keys --peer-keys keys/receiver2.keys
    """
    from bitket.networks.signatures.keys import KeyStore
    from bitket.networks.signatures.protocol import Receiver, Signature, forgery_probability

    size = _size(file)
    data = read_bytes(signature_file, most=_LONGEST)
    try:
        signature = Signature.from_bytes(data)
    except InvalidInput as error:
        raise InvalidInput(f"{signature_file}: {error}") from None
    one, other = (Receiver(KeyStore(path), bits) for path in (key_file, peer))
    if one.store.party == other.store.party:
        raise InvalidInput(
            f"{peer}: the keys of {other.store.party}, as {key_file}; those of both receivers are needed"
        )
    for receiver in (one, other):  # before any bit is used
        try:
            receiver.check(signature)
        except InvalidInput as error:
            raise InvalidInput(f"{signature_file}: {error}") from None
    shares = [receiver.share(signature) for receiver in (one, other)]
    valid = one.verify(_shown(file, size, "verifying", as_json), signature, *shares)
    bound = forgery_probability(8 * size, signature.n)
    if as_json:
        out = {"valid": valid, "message_bytes": size, "bits": signature.n, "forgery_probability": bound}
        print(json.dumps(out))
    elif valid:
        console().print(
            f"[green]valid[/]: {file}; with perfect keys a forgery passes with probability below {bound:.2g}, "
            "if what was signed is no longer"
        )
    else:
        console().print(f"[red]not valid[/]: {file} is not what was signed")
    if not valid:
        raise typer.Exit(1)


def _replaceable(output: Path) -> None:
    """Refuse, before a key is used, what could not be written or would be lost; an older signature may be replaced."""
    from bitket.networks.signatures.protocol import Signature

    if not output.parent.is_dir():
        raise InvalidInput(f"{output}: the folder does not exist; no key was used")
    require_writable(output)
    if output.exists():
        try:
            Signature.from_bytes(read_bytes(output, most=_LONGEST))
        except InvalidInput:
            raise InvalidInput(f"{output}: it is there already and is no signature; no key was used") from None


def _size(path: Path) -> int:
    with opened(path) as file:
        return os.fstat(file.fileno()).st_size


def _shown(path: Path, size: int, doing: str, quiet: bool) -> Iterator[bytes]:
    """The file's pieces, with progress on a terminal where it is long."""
    from rich.progress import Progress

    from bitket.networks.signatures.parties import pieces

    screen = console()
    with Progress(
        console=screen, transient=True, disable=quiet or size < 1 << 26 or not screen.is_terminal
    ) as progress:
        task = progress.add_task(doing, total=size)
        for piece in pieces(path):
            yield piece
            progress.advance(task, len(piece))
