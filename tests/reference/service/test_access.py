"""The access decision as a table and as laws, without a server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.reference.service.access import ROLES, TIER_FEATURES, Need, Resolved, check_role_change, decide, features_of

STATUSES = ("trial", "active", "past_due", "cancelled", "suspended")
FEATURES = sorted(TIER_FEATURES["enterprise"])
ROWS = st.builds(
    Resolved,
    signed_out=st.booleans(),
    tenant_id=st.none() | st.just("t"),
    status=st.sampled_from(STATUSES) | st.text(max_size=3),
    tier=st.sampled_from(sorted(TIER_FEATURES)) | st.text(max_size=3),
    is_trial_expired=st.booleans(),
    is_deleted=st.booleans(),
    features=st.none()
    | st.dictionaries(st.sampled_from(FEATURES), st.booleans() | st.none() | st.integers())
    | st.lists(st.text()),
    user_id=st.none() | st.just("u"),
    role=st.none() | st.sampled_from(ROLES) | st.text(max_size=3),
)
NEEDS = st.builds(Need, role=st.sampled_from(ROLES), writes=st.booleans(), feature=st.none() | st.sampled_from(FEATURES))


def row(**changes: object) -> Resolved:
    values = {"signed_out": False, "tenant_id": "t", "status": "active", "tier": "starter", "user_id": "u", "role": "owner"}
    return Resolved(**values | changes)


READ, WRITE = Need(), Need("member", writes=True)
TABLE = [
    (row(), READ, None),
    (row(signed_out=True), READ, (401, "session_verification_failed", None)),
    (row(signed_out=True, tenant_id=None), READ, (401, "session_verification_failed", None)),
    (row(tenant_id=None, user_id=None), READ, (404, "tenant_not_found", None)),
    (row(is_deleted=True), READ, (404, "tenant_not_found", None)),
    (row(user_id=None, role=None), READ, (403, "not_organization_member", None)),
    (row(role="emperor"), READ, (403, "not_organization_member", None)),
    (row(status="past_due"), READ, None),
    (row(status="past_due"), WRITE, (402, "payment_required", "read_only")),
    (row(status="suspended"), READ, (403, "subscription_suspended", None)),
    (row(status="cancelled"), READ, (403, "subscription_cancelled", None)),
    (row(status="unheard-of"), READ, (403, "subscription_suspended", None)),
    (row(status="trial"), WRITE, None),
    (row(status="trial", is_trial_expired=True), READ, (403, "subscription_suspended", "trial_expired")),
    (row(status="active", is_trial_expired=True), READ, None),
    (row(role="viewer"), WRITE, (403, "insufficient_permissions", None)),
    (row(role="member"), Need("admin"), (403, "insufficient_permissions", None)),
    (row(role="admin"), Need("owner"), (403, "insufficient_permissions", None)),
    (row(), Need(feature="ai_forecasting"), (403, "feature_not_available", None)),
    (row(features={"ai_forecasting": True}), Need(feature="ai_forecasting"), (403, "feature_not_available", None)),
    (row(tier="professional"), Need(feature="ai_forecasting"), None),
    (
        row(tier="professional", features={"ai_forecasting": False}),
        Need(feature="ai_forecasting"),
        (403, "feature_not_available", None),
    ),
    (row(tier="professional"), Need(feature="advanced_reports"), (403, "feature_not_available", None)),
    (row(tier="enterprise"), Need(feature="advanced_reports"), None),
    (row(status="suspended", role="viewer"), WRITE, (403, "subscription_suspended", None)),
]


@pytest.mark.parametrize(("resolved", "need", "expected"), TABLE, ids=[f"{number}" for number in range(len(TABLE))])
def test_each_situation_has_its_answer(resolved: Resolved, need: Need, expected: tuple | None) -> None:
    """Status, code and hint of every situation of the contract that the resolved row decides."""
    refusal = decide(resolved, need)
    assert (refusal and (refusal.status, refusal.code, refusal.hint)) == expected


@given(ROWS, NEEDS)
def test_whoever_gets_through_meets_everything(resolved: Resolved, need: Need) -> None:
    """Access is granted only to a live member of a live tenant in good standing whose role and tier reach."""
    if decide(resolved, need) is None:
        assert not resolved.signed_out
        assert resolved.tenant_id is not None
        assert not resolved.is_deleted
        assert resolved.user_id is not None
        assert ROLES.index(resolved.role) >= ROLES.index(need.role)
        assert resolved.status in ({"trial", "active"} if need.writes else {"trial", "active", "past_due"})
        assert not (resolved.status == "trial" and resolved.is_trial_expired)
        assert need.feature is None or need.feature in TIER_FEATURES[resolved.tier]


@given(ROWS, st.dictionaries(st.sampled_from(FEATURES), st.just(True)))
def test_the_column_never_adds_a_feature(resolved: Resolved, column: dict[str, bool]) -> None:
    """Whatever the features column says, the usable features are among the tier's."""
    paid = TIER_FEATURES.get(resolved.tier, frozenset())
    assert features_of(resolved) <= paid
    assert features_of(Resolved(False, tier=resolved.tier, features=column)) == paid


@given(ROWS, NEEDS)
def test_a_higher_role_is_never_refused_for_its_role(resolved: Resolved, need: Need) -> None:
    """What a role may do, an owner may do in the same situation."""
    owner = Resolved(*(getattr(resolved, name) for name in Resolved.__slots__[:-1]), role="owner")
    if decide(resolved, need) is None:
        assert decide(owner, need) is None


@given(st.sampled_from(ROLES), st.sampled_from(ROLES), st.sampled_from(ROLES))
def test_nobody_grants_or_touches_a_role_above_their_own(actor: str, current: str, wanted: str) -> None:
    """A role change is allowed exactly when the actor is admin or higher and at least as high as both roles."""
    rank = ROLES.index
    is_allowed = rank(actor) >= rank("admin") and rank(actor) >= max(rank(current), rank(wanted))
    assert (check_role_change(actor, current, wanted) is None) is is_allowed
