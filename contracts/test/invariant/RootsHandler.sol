// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Epochs} from "../../src/Epochs.sol";
import {Roots} from "../../src/Roots.sol";
import {World} from "./World.sol";
import {vm} from "../Vm.sol";

/// @dev Roots, what drops them, and claims.
abstract contract RootsHandler is World {
    function submitRoot(uint256 seed, uint256 absent) external {
        ready();
        uint256[LEAVES] memory amounts = nextAmounts(seed);
        (Roots.EpochRoot memory r, bytes memory call) = signedRoot(amounts, absent % 16 == 0 ? absent >> 4 : 0);
        mustRefuse(address(this), address(epochs), doubled(r));
        if (attempt(somebody(seed), address(epochs), call)) {
            accepted(r, amounts);
            granted = amounts;
            done("submitRoot");
        }
    }

    /// @dev A root in which one amount is lower than in the live one is accepted, and the proof of it drops it.
    function cancelByProof(uint256 seed) external {
        ready();
        uint256[LEAVES] memory before = leavesOf[epochs.live().root];
        uint256 i = seed % LEAVES;
        if (before[i] == 0) return;
        uint256[LEAVES] memory amounts = nextAmounts(seed);
        amounts[i] = (seed >> 128) % before[i];
        (Roots.EpochRoot memory r, bytes memory call) = signedRoot(amounts, 0);
        if (!attempt(address(this), address(epochs), call)) return;
        accepted(r, amounts);
        uint256 honest = (i + 1) % LEAVES;
        bytes memory wrong = cancelCall(before, amounts, honest);
        mustRefuse(somebody(seed), address(epochs), wrong);
        bool ok = attempt(somebody(seed), address(epochs), cancelCall(before, amounts, i));
        expect(ok, "a proof did not drop a root");
        droppedNow(r);
        done("cancelByProof");
    }

    function cancelCall(uint256[LEAVES] memory before, uint256[LEAVES] memory amounts, uint256 i)
        private
        view
        returns (bytes memory)
    {
        return abi.encodeCall(
            epochs.cancelByProof, (ids[i], before[i], proofOf(before, i), amounts[i], proofOf(amounts, i))
        );
    }

    function veto(uint256 seed, uint256 absent) external {
        Roots.Root memory waiting = submitBad(seed);
        if (waiting.epoch == 0) return;
        bytes memory signatures = signedByPresent(epochs.vetoDigest(waiting.epoch, waiting.root), absent);
        bool enough = 3 * weightOf(absent) > epochs.totalStake();
        bytes memory call = abi.encodeCall(epochs.veto, (waiting.epoch, waiting.root, signatures));
        bool ok = attempt(somebody(seed), address(epochs), call);
        expect(ok == enough, "a veto counted wrongly");
        if (ok) mustRefuse(somebody(seed), address(epochs), call);
        if (ok) dropped[waiting.epoch] = true;
        if (ok) done("veto");
    }

    function cancelRoot(uint256 seed) external {
        Roots.Root memory waiting = submitBad(seed);
        if (waiting.epoch == 0) return;
        bytes memory call = abi.encodeCall(epochs.cancelRoot, (waiting.epoch));
        mustRefuse(somebody(seed), address(epochs), call);
        if (seed % 2 == 0) {
            // Once it is live nobody can drop it.
            vm.warp(waiting.activeAt);
            mustRefuse(address(timelock), address(epochs), call);
            granted = leavesOf[waiting.root];
            done("cancelRoot, too late");
        } else if (attempt(address(timelock), address(epochs), call)) {
            dropped[waiting.epoch] = true;
            done("cancelRoot");
        }
    }

    /// @dev A root waits afterwards, unless there cannot be one.
    function submitBad(uint256 seed) private returns (Roots.Root memory) {
        ready();
        uint256[LEAVES] memory amounts = nextAmounts(seed);
        (Roots.EpochRoot memory r, bytes memory call) = signedRoot(amounts, 0);
        if (attempt(address(this), address(epochs), call)) accepted(r, amounts);
        return epochs.pending();
    }

    function setParamsHash(uint256 seed) external {
        bytes memory call = abi.encodeCall(epochs.setParamsHash, (bytes32(seed)));
        mustRefuse(somebody(seed), address(epochs), call);
        if (attempt(address(timelock), address(epochs), call)) done("setParamsHash");
        expect(epochs.paramsHash() == bytes32(seed), "params hash");
    }

    function pause(uint256 seed, uint256 absent) external {
        if (seed % 2 != 0) return;
        bool enough = 3 * weightOf(absent) > epochs.totalStake();
        uint256 before = epochs.pausedUntil();
        bool early = before != 0 && block.timestamp < before + 30 days;
        bytes memory call = abi.encodeCall(epochs.pause, (signedByPresent(epochs.pauseDigest(), absent)));
        bool ok = attempt(somebody(seed), address(epochs), call);
        expect(ok == (enough && !early), "a pause counted wrongly");
        if (!ok) return;
        expect(epochs.pausedUntil() <= block.timestamp + 7 days, "a pause of more than seven days");
        mustRefuse(somebody(seed), address(epochs), call);
        if (seed % 8 == 0) vm.warp(epochs.pausedUntil());
        done("pause");
    }

    // --- claims ---------------------------------------------------------------------------------------------------

    function claim(uint256 seed) external {
        Roots.Root memory root = epochs.live();
        uint256[LEAVES] memory amounts = leavesOf[root.root];
        uint256 i = claimable(seed, amounts);
        bytes32[] memory proof = proofOf(amounts, i);
        bool paused = block.timestamp < epochs.pausedUntil();
        mustRefuse(somebody(seed), address(epochs), abi.encodeCall(epochs.claim, (ids[i], amounts[i] + 1, proof)));
        uint256[LEAVES] memory before = balances();
        bytes memory call = abi.encodeCall(epochs.claim, (ids[i], amounts[i], proof));
        uint256 paidBefore = epochs.claimed(ids[i]);
        bool ok = attempt(somebody(seed), address(epochs), call);
        bool due = root.epoch > 0 && amounts[i] > paidBefore && (i >= DEVICES || devices[i].registered) && !paused;
        expect(ok == due, "a claim was refused, or paid what is not due");
        if (!ok) return;
        uint256 fee = settled(i, amounts[i] - paidBefore);
        checkPayees(before, i, amounts[i] - paidBefore - fee);
        mustRefuse(somebody(seed), address(epochs), call);
        done(i < DEVICES ? "claim, hotspot" : "claim");
    }

    /// @dev Three times of four an id that has something to claim, if there is one.
    function claimable(uint256 seed, uint256[LEAVES] memory amounts) private view returns (uint256 i) {
        for (uint256 j = 0; j < LEAVES; ++j) {
            i = (seed % LEAVES + j) % LEAVES;
            bool due = amounts[i] > epochs.claimed(ids[i]) && (i >= DEVICES || devices[i].registered);
            if (due || seed / LEAVES % 4 == 0) return i;
        }
    }

    function claimMany(uint256 seed) external {
        uint256[LEAVES] memory amounts = leavesOf[epochs.live().root];
        uint256 i = seed % LEAVES;
        Epochs.Claim[] memory claims = new Epochs.Claim[](3);
        claims[0] = Epochs.Claim(ids[i], amounts[i], proofOf(amounts, i));
        claims[1] = claims[0];
        uint256 j = (i + 1 + (seed >> 8) % (LEAVES - 1)) % LEAVES;
        claims[2] = Epochs.Claim(ids[j], amounts[j], proofOf(amounts, j));
        uint256[2] memory before = [epochs.claimed(ids[i]), epochs.claimed(ids[j])];
        if (!attempt(somebody(seed), address(epochs), abi.encodeCall(epochs.claimMany, (claims)))) return;
        settled(i, epochs.claimed(ids[i]) - before[0]);
        settled(j, epochs.claimed(ids[j]) - before[1]);
        if (epochs.claimed(ids[i]) > before[0]) done("claimMany");
    }

    /// @dev Notes what a claim for the id in this place pays in: a hotspot's debt first.
    function settled(uint256 i, uint256 amount) private returns (uint256 fee) {
        if (i >= DEVICES || amount == 0) return 0;
        uint256 debt = hotspots.debtOf(ids[i]);
        fee = debtBefore[ids[i]] - debt;
        expect(debt == 0 || fee == amount, "I6 income was paid out before the debt");
        debtBefore[ids[i]] = debt;
        burnedSoFar += fee;
        depositedSoFar[ids[i]] += amount - fee;
    }

    /// @dev I14: nobody but the payee has another balance.
    function checkPayees(uint256[LEAVES] memory before, uint256 i, uint256 amount) private {
        uint256[LEAVES] memory after_ = balances();
        uint256 payee = i < DEVICES ? 0 : i;
        for (uint256 j = 0; j < LEAVES; ++j) {
            expect(after_[j] == before[j] + (j == payee ? amount : 0), "I14 a claim paid somebody else");
        }
    }

    /// @dev Balances of the accounts in the tree; that of the registry stands in place 0.
    function balances() private view returns (uint256[LEAVES] memory all) {
        all[0] = token.balanceOf(address(hotspots));
        for (uint256 j = DEVICES; j < LEAVES; ++j) {
            all[j] = token.balanceOf(address(uint160(ids[j])));
        }
    }

    // --- making roots ---------------------------------------------------------------------------------------------

    /// @dev Time goes on until a root can be submitted, unless there is a pause.
    function ready() private {
        uint64 waits = epochs.pending().activeAt;
        if (waits > 0) vm.warp(waits);
        if (epochs.currentEpoch() <= epochs.lastEpoch() + 1) vm.warp(block.timestamp + DAY);
        bytes32 live = epochs.live().root;
        if (live != 0) granted = leavesOf[live];
    }

    function nextAmounts(uint256 seed) private view returns (uint256[LEAVES] memory amounts) {
        amounts = granted;
        uint256 sum = 0;
        for (uint256 i = 0; i < LEAVES; ++i) {
            sum += amounts[i];
        }
        uint256 room = epochs.emittedThrough(uint64(epochs.currentEpoch() - 1)) - sum;
        for (uint256 i = 0; i < LEAVES; ++i) {
            if ((seed >> i) & 1 == 0) amounts[i] += room / LEAVES / (1 + (seed >> (8 + i)) % 50);
        }
    }

    function signedRoot(uint256[LEAVES] memory amounts, uint256 absent)
        private
        view
        returns (Roots.EpochRoot memory r, bytes memory call)
    {
        uint256 sum = 0;
        for (uint256 i = 0; i < LEAVES; ++i) {
            sum += amounts[i];
        }
        uint256 before = epochs.live().cumTotal;
        // A root whose leaves come to less than before must still claim the old total.
        if (sum < before) sum = before;
        uint64 epoch = uint64(epochs.currentEpoch() - 1);
        r = Roots.EpochRoot(epoch, epochs.setId(), rootOver(amounts), bytes32(sum), uint128(sum));
        call = abi.encodeCall(epochs.submitRoot, (r, signedByPresent(epochs.rootDigest(r), absent)));
    }

    /// @dev I12: one signer many times is one signer.
    function doubled(Roots.EpochRoot memory r) private view returns (bytes memory) {
        uint256[] memory now_ = present();
        bytes memory packed;
        for (uint256 i = 0; i < 4 && now_.length > 0; ++i) {
            packed = bytes.concat(packed, one(bound[now_[0]], epochs.rootDigest(r)));
        }
        return abi.encodeCall(epochs.submitRoot, (r, packed));
    }

    function accepted(Roots.EpochRoot memory r, uint256[LEAVES] memory amounts) private {
        expect(r.epoch > epochBefore, "I10 an epoch did not grow");
        epochBefore = r.epoch;
        leavesOf[r.root] = amounts;
        activeAtOf[r.epoch] = block.timestamp + HOUR;
    }

    function droppedNow(Roots.EpochRoot memory r) private {
        dropped[r.epoch] = true;
        expect(epochs.pending().epoch == 0 && epochs.live().epoch != r.epoch, "I11 a dropped root is still there");
    }

    function weightOf(uint256 absent) private view returns (uint256 weight) {
        uint256[] memory now_ = present();
        for (uint256 i = 0; i < now_.length; ++i) {
            if ((absent >> i) & 1 == 0) weight += uint256(epochs.memberOf(boundAddresses[now_[i]]).stake) * 1 ether;
        }
    }
}
