// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The vault's books in small
/// @notice What the vault does to money, without its bytes, signatures, clocks and storage layout: one channel, its payer, two
/// payees, the pot of its bond. npm's solc proves by induction, for all amounts and histories of any length, that each act keeps
/// what `whole` says, whatever the state before, and that only the payee named gains (tools/prove-contracts.mjs --smt).
/// @dev A copy for the prover and not the vault: that checker sees nothing of assembly. It says that these rules conserve
/// money, and that they do not when a line marked `rule` is dropped (checked arithmetic stands behind the others); that the vault
/// keeps these rules is shown by forge's tests and the bounded walk on its bytecode.
contract Books {
    uint256 private constant MAX = 2 ** 48 - 1;

    // The channel, the lanes of payees P and Q, what was credited on them, and their balances.
    uint256 private free;
    uint256 private bond;
    uint256 private laneP;
    uint256 private laneQ;
    uint256 private creditedP;
    uint256 private creditedQ;
    uint256 private balanceP;
    uint256 private balanceQ;
    /// What the vault owes, by its own counter.
    uint256 private held;
    uint256 private pot;

    // History, which the vault doesn't keep: tokens that came in and went out, and the highest tops that the payer signed.
    uint256 private paidIn;
    uint256 private paidOut;
    uint256 private signedP;
    uint256 private signedQ;

    modifier keeps() {
        require(whole());
        _;
        assert(whole());
    }

    // ---- act

    function deposit(uint256 amount, uint256 ofBond) external keeps {
        require(ofBond <= amount);
        require(held + amount <= MAX); // rule
        held += amount;
        free += amount - ofBond;
        bond += ofBond;
        paidIn += amount;
    }

    // ---- act

    function sign(bool toP, uint256 top) external keeps {
        require(top <= MAX);
        if (toP && top > signedP) signedP = top;
        if (!toP && top > signedQ) signedQ = top;
    }

    // ---- act

    /// Anybody submits a row that the payer signed; the other payee may be the submitter and is left `fee`.
    function settleP(uint256 top, uint256 fee) external keeps {
        require(top > laneP);
        require(top <= signedP); // rule
        uint256 moved = top - laneP;
        if (moved > free) moved = free;
        require(fee * 10_000 <= moved * 127); // rule
        uint256 ownBefore = balanceP;
        uint256 otherBefore = balanceQ;
        laneP += moved;
        free -= moved;
        balanceP += moved;
        balanceP -= fee;
        balanceQ += fee;
        assert(balanceP >= ownBefore);
        assert(balanceQ == otherBefore + fee && fee * 10_000 <= moved * 127);
    }

    // ---- act

    function settleQ(uint256 top) external keeps {
        require(top > laneQ);
        require(top <= signedQ); // rule
        uint256 moved = top - laneQ;
        if (moved > free) moved = free;
        uint256 otherBefore = balanceP;
        laneQ += moved;
        free -= moved;
        balanceQ += moved;
        assert(balanceP == otherBefore);
    }

    // ---- act

    function creditByP(uint256 amount) external keeps {
        require(amount <= balanceP);
        require(creditedP + amount <= laneP); // rule
        balanceP -= amount;
        creditedP += amount;
        free += amount;
    }

    // ---- act

    function creditByQ(uint256 amount) external keeps {
        require(amount <= balanceQ);
        require(creditedQ + amount <= laneQ); // rule
        balanceQ -= amount;
        creditedQ += amount;
        free += amount;
    }

    // ---- act

    function withdrawP(uint256 amount) external keeps {
        require(amount <= balanceP);
        balanceP -= amount;
        held -= amount;
        paidOut += amount;
    }

    // ---- act

    function withdrawQ(uint256 amount) external keeps {
        require(amount <= balanceQ);
        balanceQ -= amount;
        held -= amount;
        paidOut += amount;
    }

    // ---- act

    /// The exit is finished, as often as a credit comes in behind it.
    function finish() external keeps {
        uint256 returned = free + bond;
        (free, bond) = (0, 0); // rule
        held -= returned;
        paidOut += returned;
    }

    // ---- act

    function slash() external keeps {
        pot += bond;
        held -= bond;
        bond = 0; // rule
    }

    // ---- act

    /// A share of the pot: `raised` of it counts as settled, as far as the payer signed.
    function shareToP(uint256 amount, uint256 raised) external keeps {
        require(amount <= pot && raised <= amount);
        require(laneP + raised <= signedP); // rule
        require(held + amount <= MAX); // rule
        pot -= amount;
        held += amount;
        balanceP += amount;
        laneP += raised;
    }

    // ---- act

    function potToReserve() external keeps {
        paidOut += pot;
        pot = 0; // rule
    }

    // ---- what each keeps

    /// What is owed is what the counter says; the tokens of all that came and went are there; no lane is above what was signed for
    /// it, no credit above its lane.
    function whole() private view returns (bool) {
        return held == free + bond + balanceP + balanceQ && paidIn == held + pot + paidOut && held <= MAX
            && laneP <= signedP && laneQ <= signedQ && signedP <= MAX && signedQ <= MAX && creditedP <= laneP
            && creditedQ <= laneQ;
    }

    /// Any state that is whole, so that each act is proved from all of them and not only from those that it leads to by itself.
    /// The state of zeros, in which a vault begins, is one.
    constructor(
        uint256[4] memory channel,
        uint256[4] memory lanes,
        uint256[2] memory balances,
        uint256[4] memory sums
    ) {
        (free, bond, pot, held) = (channel[0], channel[1], channel[2], channel[3]);
        (laneP, laneQ, creditedP, creditedQ) = (lanes[0], lanes[1], lanes[2], lanes[3]);
        (balanceP, balanceQ) = (balances[0], balances[1]);
        (paidIn, paidOut, signedP, signedQ) = (sums[0], sums[1], sums[2], sums[3]);
        require(whole());
    }
}
