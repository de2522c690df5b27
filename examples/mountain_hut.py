"""A mountain hut: no network for days. Leases run out, a wearable is lost, and in the end all is handed in."""

from sundial_lab import Lab, check

HOUR, DAY = 3600, 86_400

with Lab() as lab:
    lab.device("hut", "pos")
    for name in ("guide", "guest", "lost"):
        lab.device(name, "wearable", deposit="200")
    for name in ("hut", "guide", "guest", "lost"):
        lab.network(name, False)

    check(lab.tap("guide", "hut", "3.20")["outcome"] == "paid", "soup for the guide, with no network")
    check(lab.tap("lost", "hut", "2.00")["outcome"] == "paid", "somebody else pays, too")

    # Two days later a lease is still good; after four it is not, and the till says so before anybody signs.
    lab.post("/v1/time", advance=2 * DAY)
    check(lab.tap("guest", "hut", "2.50")["outcome"] == "paid", "two days later a lease is still good")
    lab.post("/v1/time", advance=2 * DAY)
    late = lab.tap("guest", "hut", "2.50")
    check(late["outcome"] == "refused", f"after four days it is not: {late.get('code')}")

    # The guest went down to the valley and has a lease again; the hut has seen no network.
    lab.network("guest", True)
    lab.network("guest", False)
    check(lab.tap("guest", "hut", "2.50")["outcome"] == "paid", "a lease from the valley is good at the hut")

    # Who lost a wearable calls the hub; the hut hears of it when it has a network for a minute.
    lab.network("lost", True)
    lab.network("lost", False)
    lab.post("/v1/devices/lost/revoke")
    before = lab.get("/v1/devices/hut")["lastEvent"]
    lab.network("hut", True)
    lab.wait("hut", "time", after=before)
    lab.drained("hut")
    lab.network("hut", False)
    lost = lab.tap("lost", "hut", "1.00")
    check(lost["outcome"] == "refused" and lost["code"] == "revoked", "a lost wearable buys nothing more")

    for name in ("hut", "guide", "guest"):
        lab.network(name, True)
    lab.drained("hut", "guide", "guest")
    lab.post("/v1/settlements")
    books = lab.books()
    settled = all(lane["terminals"] == lane["hub"] == lane["vault"] for lane in books["lanes"])
    check(settled and books["different"] == 0, "everything that the hut sold is settled, and all books agree")
    check(sum(lane["vault"] for lane in books["lanes"]) == 10_200_000, "10.20 in all: 3.20 + 2.00 + 2.50 + 2.50")
