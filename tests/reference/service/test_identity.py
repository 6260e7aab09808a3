"""The identity process over HTTP."""

import httpx

from .conftest import Running

MEMBER = {"email": "a@x.test", "full_name": "A", "role": "admin"}


def test_memberships_are_made_read_and_removed(running: Running) -> None:
    """PUT makes user, organisation and membership and may be repeated; deleting an organisation or a user removes theirs only."""
    url, admin = running.settings.identity_url, {"Authorization": f"Bearer {running.settings.admin_token}"}
    with httpx.Client(base_url=url, verify=False) as client:

        def status(organization: str, user: str) -> int:
            return client.get(f"/organizations/{organization}/memberships/{user}").status_code

        for organization, user in (("o 1/x", "u1"), ("o 1/x", "u1"), ("o2", "u1"), ("o2", "u2")):
            quoted = organization.replace(" ", "%20").replace("/", "%2F")
            assert client.put(f"/organizations/{quoted}/memberships/{user}", headers=admin, json=MEMBER).status_code == 200
        assert client.get("/organizations/o%201%2Fx/memberships/u1").json() == {"user_id": "u1", **MEMBER}
        assert client.delete("/organizations/o%201%2Fx", headers=admin).status_code == 200
        assert (status("o%201%2Fx", "u1"), status("o2", "u1"), status("o2", "u2")) == (404, 200, 200)
        assert client.delete("/users/u1", headers=admin).status_code == 200
        assert (status("o2", "u1"), status("o2", "u2")) == (404, 200)


def test_changes_need_the_admin_token(running: Running) -> None:
    """Without the token nothing is made or removed, and nonsense is 400."""
    url, admin = running.settings.identity_url, {"Authorization": f"Bearer {running.settings.admin_token}"}
    path = f"{url}/organizations/closed/memberships/u"
    assert httpx.put(path, json=MEMBER).status_code == 401
    assert httpx.put(path, json=MEMBER, headers={"Authorization": "Bearer nonsense"}).status_code == 401
    assert httpx.delete(f"{url}/organizations/closed").status_code == 401
    for body in (b"{", b"[]", b'{"email": 1}', b'{"email": "e", "full_name": "n", "role": "emperor"}'):
        assert httpx.put(path, content=body, headers=admin).status_code == 400
    assert httpx.get(path).status_code == 404
    assert httpx.get(f"{url}/health").json()["instance"] == running.stack.instance
