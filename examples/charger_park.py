"""A charger park: a car pays tick by tick; a charger is killed, a cable is pulled, the hub is away."""

from sundial_lab import Lab, LabError, check

FAST = ["--speed", "1500", "--tick-value", "0.02"]

with Lab() as lab:
    for name in ("east", "west"):
        lab.device(name, "charger", flags=FAST)
    for name in ("kombi", "van"):
        lab.device(name, "car", deposit="600")
    for name in ("east", "west", "kombi", "van"):
        lab.network(name, False)

    # A whole session: who plugs in is offered one.
    link = lab.post("/v1/links", payer="kombi", terminal="east")
    over = lab.wait("east", "sessionOver")
    lab.wait("kombi", "paid")
    lab.ask("DELETE", f"/v1/links/{link['id']}")
    check(over["ticks"] > 100, f"kombi charged, {over['ticks']} ticks")

    # The charger loses its power in the middle, and somebody pulls the cable.
    link = lab.post("/v1/links", payer="van", terminal="west", rules=[{"do": "drop", "percent": 1}], seed=3)
    lab.wait("west", "deliver", holds=lambda one: one["k"] >= 20)
    lab.post("/v1/devices/west/kill")
    lab.ask("DELETE", f"/v1/links/{link['id']}")
    lab.post("/v1/devices/west/start")
    delivered = len(lab.events("west", event="deliver"))
    check(delivered >= 20, f"west was killed after {delivered} ticks")

    # The van comes back: what is open between the two is cleared first.
    link = lab.post("/v1/links", payer="van", terminal="west")
    lab.wait("west", "deliver", after=lab.get("/v1/devices/west")["lastEvent"])
    lab.post(f"/v1/devices/van/commands", command={"endSession": True})
    lab.wait("west", "sessionOver")
    lab.ask("DELETE", f"/v1/links/{link['id']}")

    try:
        lab.post("/v1/links", payer="east", terminal="west")
        raise SystemExit("FAILED: a charger paid a charger")
    except LabError as error:
        check(error.code == "wrong_ends", "a charger pays nobody")

    # The network returns before the hub does.
    lab.post("/v1/hub/kill")
    for name in ("east", "west", "kombi", "van"):
        lab.network(name, True)
    lab.post("/v1/hub/start")
    lab.drained("east", "west", "kombi", "van")
    lab.post("/v1/settlements")
    books = lab.books()
    check(books["reconciled"] and books["conserved"], "journals, ledger and vault agree to the last unit")
    paid = sum(lane["payer"] for lane in books["lanes"])
    ticks = sum(lab.status(name)["counts"]["ticks"] for name in ("east", "west"))
    check(abs(paid - ticks * 20_000) <= 2 * 20_000, f"{ticks} ticks delivered, {paid / 1e6} TIME paid: at most a tick open each")
