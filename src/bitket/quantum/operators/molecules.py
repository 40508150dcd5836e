"""Molecules: geometry, basis set, charge and spin.

Coordinates are in ångström. Named molecules have experimental equilibrium geometries (sources in `GEOMETRIES`), each with its
bond length, and angle where there is one, free to choose.

>>> water = Molecule("O 0 0 0.1173; H 0 0.7572 -0.4692; H 0 -0.7572 -0.4692", basis="6-31g")
>>> water.formula, water.num_electrons
('OH2', (5, 5))
>>> Molecule.named("LiH", bond_length=3.4).geometry
(('Li', (0.0, 0.0, 0.0)), ('H', (0.0, 0.0, 3.4)))
>>> Molecule("H 0 0 0", spin=1).num_electrons
(1, 0)
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from bitket.errors import InvalidInput

__all__ = ["GEOMETRIES", "Geometry", "Molecule"]

Geometry = tuple[tuple[str, tuple[float, float, float]], ...]

_ELEMENTS = """
H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr
Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir
Pt Au Hg Tl Pb Bi Po At Rn
""".split()
_FARTHEST = 10_000.0  # ångström: beyond, coordinates lose the digits that a bond needs
_NOBLE = (2, 10, 18, 36, 54, 86)

# Equilibrium bond length (ångström), bond angle (degrees) and source.
GEOMETRIES: dict[str, tuple[float, float | None, str]] = {
    "H2": (0.74144, None, "Huber and Herzberg 1979, Constants of Diatomic Molecules"),
    "LiH": (1.5957, None, "Huber and Herzberg 1979, Constants of Diatomic Molecules"),
    "N2": (1.09768, None, "Huber and Herzberg 1979, Constants of Diatomic Molecules"),
    "BeH2": (1.3264, None, "Bernath, Shayesteh, Tereszchuk and Colin 2002, Science 297, 1323"),
    "H2O": (0.9572, 104.52, "Benedict, Gailar and Plyler 1956, J. Chem. Phys. 24, 1139"),
    "NH3": (1.0124, 106.67, "Benedict and Plyler 1957, Can. J. Phys. 35, 1235"),
}


@dataclass(frozen=True)
class Molecule:
    """A molecule in a basis set.

    Attributes
    ----------
    geometry
        A name of `GEOMETRIES`; or lines ``element x y z`` (line breaks or semicolons between them; the two header lines of an XYZ
        file may lead); or pairs ``(element, (x, y, z))``, which is also the form that is kept.
    basis
        Name of a Gaussian basis set that pyscf has.
    charge
        Total charge.
    spin
        Number of unpaired electrons, alpha minus beta; None for the lowest, 0 or 1.

    Raises
    ------
    InvalidInput
        An unknown element, a line that cannot be read, coordinates that are not finite, two atoms in one place, or a charge or
        spin that the number of electrons does not allow.
    """

    geometry: Geometry
    basis: str = "sto-3g"
    charge: int = 0
    spin: int = 0

    def __init__(
        self,
        geometry: str | Iterable[tuple[str, Iterable[float]]],
        basis: str = "sto-3g",
        charge: int = 0,
        spin: int | None = None,
    ) -> None:
        if not isinstance(geometry, str):
            atoms = [_atom(element, position) for element, position in geometry]
        elif geometry.strip() in GEOMETRIES:
            atoms = list(_named(geometry.strip(), None, None))
        else:
            atoms = _read(geometry)
        if not atoms:
            raise InvalidInput("molecule without atoms: at least one is needed")
        for i, (first, a) in enumerate(atoms):
            for second, b in atoms[:i]:
                if math.dist(a, b) < 1e-2:
                    raise InvalidInput(f"molecule: atoms {second} and {first} at {a} are less than 0.01 ångström apart")
        object.__setattr__(self, "geometry", tuple(atoms))
        object.__setattr__(self, "basis", basis)
        object.__setattr__(self, "charge", int(charge))
        protons = sum(self.atomic_numbers)
        electrons = protons - self.charge
        object.__setattr__(self, "spin", electrons % 2 if spin is None else int(spin))
        if electrons < 1:
            raise InvalidInput(
                f"molecule {self.formula} of charge {charge}: at most {protons - 1}, one electron must stay"
            )
        if not 0 <= self.spin <= electrons or (electrons - self.spin) % 2:
            allowed = "even" if electrons % 2 == 0 else "odd"
            raise InvalidInput(
                f"molecule {self.formula} with {electrons} electrons and spin {spin}: the number of unpaired electrons "
                f"must be {allowed}, 0 or more, and at most {electrons}"
            )

    @classmethod
    def named(
        cls,
        name: str,
        *,
        bond_length: float | None = None,
        angle: float | None = None,
        basis: str = "sto-3g",
        charge: int = 0,
        spin: int | None = None,
    ) -> Molecule:
        """A molecule of `GEOMETRIES`, with another bond length (ångström) or bond angle (degrees) if given."""
        return cls(_named(name, bond_length, angle), basis, charge, spin)

    @property
    def atomic_numbers(self) -> list[int]:
        """Nuclear charge of each atom."""
        return [_ELEMENTS.index(element) + 1 for element, _ in self.geometry]

    @property
    def num_electrons(self) -> tuple[int, int]:
        """Numbers of alpha and of beta electrons."""
        electrons = sum(self.atomic_numbers) - self.charge
        return (electrons + self.spin) // 2, (electrons - self.spin) // 2

    @property
    def num_core_orbitals(self) -> int:
        """Orbitals of the closed noble-gas shells below the valence shell, summed over atoms."""
        return sum(max((noble for noble in _NOBLE if noble < z), default=0) // 2 for z in self.atomic_numbers)

    @property
    def formula(self) -> str:
        """Elements with their counts, in order of first appearance."""
        counts = Counter(element for element, _ in self.geometry)
        return "".join(element + (str(k) if k > 1 else "") for element, k in counts.items())

    def to_xyz(self) -> str:
        """Text of an XYZ file."""
        lines = [f"{element} {x:.10f} {y:.10f} {z:.10f}" for element, (x, y, z) in self.geometry]
        return "\n".join([str(len(lines)), self.formula, *lines]) + "\n"


def _atom(element: str, position: Iterable[float]) -> tuple[str, tuple[float, float, float]]:
    symbol = str(element).strip().capitalize()
    if symbol not in _ELEMENTS:
        raise InvalidInput(f"molecule: unknown element {element!r}; symbols from H to Rn are known")
    try:
        x, y, z = (float(c) for c in position)
    except (TypeError, ValueError):
        raise InvalidInput(f"molecule: atom {element} needs three coordinates in ångström") from None
    if not all(abs(c) <= _FARTHEST for c in (x, y, z)):
        raise InvalidInput(
            f"molecule: the coordinates ({x}, {y}, {z}) of atom {element} must be finite, at most {_FARTHEST:g} ångström"
        )
    return symbol, (x, y, z)


def _read(text: str) -> list[tuple[str, tuple[float, float, float]]]:
    lines = [(k, line.split()) for k, line in enumerate(text.replace(";", "\n").splitlines(), start=1)]
    count = None
    if lines and len(lines[0][1]) == 1 and lines[0][1][0].isdigit():  # an XYZ file: the number of atoms, then a comment
        count, lines = int(lines[0][1][0]), lines[2:]
    lines = [(k, words) for k, words in lines if words]
    if count is None and len(lines) == 1 and len(lines[0][1]) == 1:
        raise InvalidInput(
            f"molecule {lines[0][1][0]!r}: not a known name ({', '.join(GEOMETRIES)}) and not lines 'element x y z'"
        )
    atoms = []
    for k, words in lines[:count]:
        if len(words) < 4:
            raise InvalidInput(f"molecule, line {k}, {' '.join(words)!r}: 'element x y z' in ångström expected")
        try:
            atoms.append(_atom(words[0], [float(w) for w in words[1:4]]))
        except ValueError as error:
            raise InvalidInput(f"molecule, line {k}, {' '.join(words)!r}: {error}") from None
    if count is not None and count != len(atoms):
        raise InvalidInput(f"molecule: the file promises {count} atoms and has {len(atoms)}")
    return atoms


def _named(name: str, bond_length: float | None, angle: float | None) -> Geometry:
    if name not in GEOMETRIES:
        raise InvalidInput(f"molecule {name!r}: known names are {', '.join(GEOMETRIES)}")
    length, theta, _ = GEOMETRIES[name]
    r = length if bond_length is None else float(bond_length)
    if not 0 < r <= _FARTHEST:
        raise InvalidInput(
            f"molecule {name} with bond length {bond_length}: a positive number of ångström is needed, at most {_FARTHEST:g}"
        )
    if angle is not None:
        widest = {"H2O": 180.0, "NH3": 120.0}.get(name)
        if widest is None:
            raise InvalidInput(f"molecule {name} with angle {angle}: it is linear, only its bond length can be chosen")
        if not 0 < angle <= widest:
            raise InvalidInput(f"molecule {name} with angle {angle}: between 0 and {widest:g} degrees are allowed")
        theta = float(angle)
    if name == "BeH2":
        return ("Be", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, r)), ("H", (0.0, 0.0, -r))
    half = math.radians(theta or 0.0) / 2
    if name == "H2O":
        y, z = r * math.sin(half), r * math.cos(half)
        return ("O", (0.0, 0.0, 0.0)), ("H", (0.0, y, z)), ("H", (0.0, -y, z))
    if name == "NH3":  # three hydrogens 2 r sin(angle/2) apart, on a circle around the axis
        radius = 2 * r * math.sin(half) / math.sqrt(3)
        z = math.sqrt(max(0.0, r * r - radius * radius))
        turns = (0.0, 2 * math.pi / 3, 4 * math.pi / 3)
        return ("N", (0.0, 0.0, 0.0)), *(("H", (radius * math.cos(t), radius * math.sin(t), z)) for t in turns)
    first, second = {"H2": ("H", "H"), "LiH": ("Li", "H"), "N2": ("N", "N")}[name]
    return (first, (0.0, 0.0, 0.0)), (second, (0.0, 0.0, r))
