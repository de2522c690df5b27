"""Half time in a stadium: three tills, five wearables, no network, and a radio that loses and doubles messages."""

from sundial_lab import Lab, check

TILLS = ["till-a", "till-b", "till-c"]
FANS = ["ann", "ben", "cem", "dora", "emil"]
BAD_RADIO = [
    {"do": "drop", "percent": 8},
    {"do": "dup", "percent": 8},
    {"do": "delay", "ms": [0, 30]},
    {"do": "cutAfter", "message": "voucher", "tap": 1, "percent": 30},
]

with Lab() as lab:
    for name in TILLS:
        lab.device(name, "pos")
    for name in FANS:
        lab.device(name, "wearable", deposit="100")
    for name in TILLS + FANS:
        lab.network(name, False)

    sold = 0
    for number in range(20):
        fan, till = FANS[number % len(FANS)], TILLS[number % len(TILLS)]
        price = f"0.{50 + number}"
        tap = lab.tap(fan, till, price, rules=BAD_RADIO, seed=number, seconds=40)
        print(f"{fan} at {till}, {price}: {tap['outcome']} after {tap['meetings']} meetings")
        sold += tap["outcome"] == "paid"
    check(sold == 20, "each of 20 sales is paid, whatever the radio does")
    accepted = sum(lab.status(till)["counts"]["accepted"] for till in TILLS)
    check(accepted == 20, "no sale is taken twice")

    # A till that falls while it has sold, and one whose hub is away when the network returns.
    lab.post("/v1/devices/till-a/kill")
    lab.post("/v1/hub/kill")
    lab.post("/v1/devices/till-a/start")
    lab.post("/v1/hub/start")
    for name in TILLS + FANS:
        lab.network(name, True)
    lab.drained(*TILLS, *FANS)
    vouchers = lab.get("/v1/hub")["status"]["vouchers"]
    check(vouchers == 20, "the ledger holds 20 vouchers")

    batches = lab.post("/v1/settlements")["batches"]
    check(len(batches) >= 1, f"settled in {len(batches)} transaction")
    books = lab.books()
    check(books["reconciled"] and books["conserved"], "journals, ledger and vault agree to the last unit")
