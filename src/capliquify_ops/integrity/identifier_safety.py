"""Can every tenant's schema be named without meaning another one? By where sessions start, and by what stands in the names.

A name that only needs quotes is no fault. Names of tenants that are equal when cut or folded are `registry_catalogue`'s.
"""

import re
import string
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from capliquify_ops.configuration import Profile
from capliquify_ops.database import Session, load
from capliquify_ops.integrity.faults import PACKAGE, Fault, Faults, Question, Rule
from capliquify_ops.integrity.observing import runner
from capliquify_ops.integrity.registry_disagreements import folded
from capliquify_ops.model.finding import SubjectKind
from capliquify_ops.model.names import check_id
from capliquify_ops.model.outcome import Grade, Severity
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.registry_columns import fill_registry

CHECK = check_id("identifier_safety")


def _rule(severity: Severity, why: str, grade: Grade = Grade.PROOF) -> Rule:
    return Rule(severity, why, grade, SubjectKind.TENANT)


RULES = MappingProxyType(
    {
        "search_path": Rule(
            Severity.CRITICAL,
            "The search_path {object} names {where}: every session that does not set its own starts there, for whatever tenant it"
            " works. ALTER ROLE or ALTER DATABASE … RESET search_path.",
            subject=SubjectKind.DATABASE,
        ),
        "named like a role": _rule(
            Severity.HIGH,
            "A role that serves other tenants too has the name of {where}: {object} in its search_path is that schema."
            " ALTER ROLE … SET search_path.",
        ),
        "system name": _rule(
            Severity.HIGH,
            "{where} has a name that means something to the server itself: {detail}. Rename it, in the registry too.",
        ),
        "folded name": _rule(
            Severity.HIGH,
            "The name of {where} is that of another schema, {detail}, wherever it is written without quotes. Rename or drop one.",
        ),
        "foreign id": _rule(
            Severity.HIGH,
            "The name of {where} holds the id of another tenant, whose schema is {detail}: compare both rows of the registry with"
            " what the schemas hold before anything else.",
            Grade.STRONG,
        ),
        "look-alike": _rule(
            Severity.HIGH,
            "The name of {where} looks the same as {detail}: whoever types or picks one may get the other. Rename one.",
        ),
        "control character": _rule(
            Severity.HIGH,
            "The name of {where} holds {detail}: it forges lines of logs, and of dumps, which psql then runs. Rename it.",
        ),
        "invisible character": _rule(
            Severity.MEDIUM,
            "The name of {where} holds {detail}, which nobody sees or types: what is shown is another name. Rename it.",
        ),
        "blank": _rule(
            Severity.LOW,
            "The name of {where} begins or ends with {detail}: tools that trim names look for another one. Rename it.",
        ),
        "mixed script": _rule(
            Severity.LOW, "The name of {where} holds {detail} among Latin letters: typed anew it is another name. Rename it."
        ),
        "reserved word": _rule(
            Severity.LOW,
            "The name of {where} is a word of SQL: a statement without quotes fails, or means it (default). Take care.",
        ),
    }
)
_LIKE = str.maketrans(
    # Cyrillic, Greek and Armenian letters that look like the Latin ones below them.
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u051d\u04cf\u03bf\u03b1\u03bd\u03c1\u03b9\u0585"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0406\u0408\u0405\u04c0"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7",
    "aeopcyxijshdqwloavpio"
    "ABEKMHOPCTXIJSl"
    "ABEZHIKMNOPTYX",
)  # fmt: skip
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0]"
)
_UNSHOWN = re.compile(rf"{_INVISIBLE.pattern}|[\u200c\u200d\ufe00-\ufe0f]")
"""With what joins letters or picks a glyph: at home in many scripts and in emoji, so no fault by itself."""
_WORD = re.compile(r"[^\W\d_]+")
_UUID = re.compile(r"[0-9a-f]{8}[-_]?(?:[0-9a-f]{4}[-_]?){3}[0-9a-f]{12}")
_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


@dataclass(frozen=True, slots=True)
class Named:
    """A schema: `tenant` is the id of the one that the registry gives it to, or "". `is_reserved`: a word that SQL keeps."""

    name: str
    tenant: str
    is_reserved: bool


_NAMES = "identifier_safety_names"
_QUESTION = Question(
    CHECK,
    ("identifier_safety",),
    RULES,
    "No setting makes sessions start in the schema of one of the {tenants} tenants, and none of their names is easily mistaken.",
)
judge = _QUESTION.judge


def measure(session: Session, *, profile: Profile, roles: Roles) -> Faults:
    """Read the settings, and look at the names here: the server knows no look-alikes. Raises PrivilegeMissing as `Question`."""
    faults = _QUESTION.measure(session, profile=profile, roles=roles)
    schemas = session.rows(fill_registry(load(PACKAGE, _NAMES).text, profile.registry), Named)
    return Faults(faults.tenants, (*faults.found, *name_faults(schemas)))


run = runner(CHECK, f"{CHECK}, {_NAMES}", measure, judge)


def name_faults(schemas: Sequence[Named]) -> Iterator[Fault]:
    """Yield what is wrong with tenants' names, by themselves and next to the other schemas of the database."""
    tenants = [schema for schema in schemas if schema.tenant]
    for schema in {each.name: each for each in tenants}.values():
        yield from _alone(schema)
    own = {schema.name for schema in tenants}
    for others, name in _groups((schema.name for schema in schemas), _skeleton, own):
        # Equal when folded: said elsewhere.
        if len({folded(each) for each in (name, *others)}) > 1:
            yield Fault(name, "look-alike", "names", ", ".join(map(ascii, others)))
    for others, name in _groups((schema.name for schema in schemas), _unquoted, own):
        if strangers := [each for each in others if each not in own]:
            yield Fault(name, "folded name", "of two schemas", ", ".join(map(ascii, strangers)))
    yield from _foreign_ids(tenants)


def _alone(schema: Named) -> Iterator[Fault]:
    name = schema.name
    if name.startswith("pg_") or name == "information_schema":
        yield Fault(name, "system name", "of a tenant", "it keeps such schemas for itself")
    if name == "$user":
        yield Fault(name, "system name", "of a tenant", "in a search_path it is the role's name, even in quotes")
    if found := [each for each in name if unicodedata.category(each) in {"Cc", "Zl", "Zp"}]:
        yield Fault(name, "control character", "in a name", _code(found[0]))
    if found := _INVISIBLE.findall(name):
        yield Fault(name, "invisible character", "in a name", _code(found[0]))
    if found := [each for each in (name[0], name[-1]) if unicodedata.category(each) == "Zs"]:
        yield Fault(name, "blank", "at an edge of a name", _code(found[0]))
    words = [word for word in _WORD.findall(name) if re.search("[A-Za-z]", word)]
    if found := [each for word in words for each in word if ord(each) in _LIKE]:
        yield Fault(name, "mixed script", "in a name", _code(found[0]))
    if schema.is_reserved:
        yield Fault(name, "reserved word", "as a name", "")


def _foreign_ids(tenants: Iterable[Named]) -> Iterator[Fault]:
    """A name that was made of another tenant's id. That of nobody is what a tenant keeps that got a new id."""
    ids = {_bare(schema.tenant): schema.name for schema in tenants}
    for schema in tenants:
        for found in map(_bare, _UUID.findall(schema.name.lower())):
            if ids.get(found, schema.name) != schema.name:
                yield Fault(schema.name, "foreign id", "in a name", ascii(ids[found]))


def _groups(names: Iterable[str], key: Callable[[str], str], own: set[str]) -> Iterator[tuple[list[str], str]]:
    """Yield each of a tenant's names with the other ones of the same key, where there are others."""
    groups: dict[str, set[str]] = defaultdict(set)
    for name in names:
        groups[key(name)].add(name)
    for group in groups.values():
        for name in sorted(group & own) if len(group) > 1 else ():
            yield sorted(group - {name}), name


def _skeleton(name: str) -> str:
    """Return what a name looks like: without what is not shown, with Latin letters for those that look like them."""
    shown = _UNSHOWN.sub("", unicodedata.normalize("NFKD", name)).translate(_LIKE)
    return " ".join(unicodedata.normalize("NFKC", shown).split())


def _unquoted(name: str) -> str:
    """Return the name as the server reads it without quotes: of letters it folds the ASCII ones."""
    return name.translate(_ASCII_LOWER)


def _bare(uuid: str) -> str:
    return re.sub("[-_]", "", uuid.lower())


def _code(character: str) -> str:
    return f"U+{ord(character):04X} ({unicodedata.name(character, 'control').lower()})"
