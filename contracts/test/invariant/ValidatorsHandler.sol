// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Faults} from "../../src/Faults.sol";
import {Roots} from "../../src/Roots.sol";
import {ValidatorSet} from "../../src/ValidatorSet.sol";
import {World} from "./World.sol";
import {vm} from "../Vm.sol";

/// @dev Joining, leaving, posting, and what costs a stake.
abstract contract ValidatorsHandler is World {
    bytes32 private constant MANIFEST = keccak256("Manifest(uint64 epoch,bytes32 manifestHash)");
    bytes32 private constant AVAILABLE =
        keccak256("Available(uint64 epoch,address validator,bytes32 manifestHash)");

    function warp(uint256 seed) external {
        vm.warp(block.timestamp + seed % (seed % 3 == 0 ? 3 * DAY : HOUR));
        done("warp");
    }

    function warpFar(uint256 seed) external {
        if (seed % 4 == 0) vm.warp(block.timestamp + 8 days + seed % (32 days));
        done("warpFar");
    }

    function admit(uint256 seed, bool on) public {
        bytes memory call = abi.encodeCall(epochs.admit, (owner(seed), on || seed % 4 != 0));
        mustRefuse(somebody(seed), address(epochs), call);
        mustRefuse(address(governor), address(epochs), call);
        if (attempt(address(timelock), address(epochs), call)) done("admit");
    }

    function join(uint256 seed, uint256 stake) public {
        address who = owner(seed);
        if (bound.length >= MAX_KEYS || stays(who)) return;
        uint256 key = 2001 + bound.length;
        uint256 locked = token.lockedOf(who);
        uint256 free = (token.balanceOf(who) - locked) / 1 ether;
        stake = locked + (free == 0 ? 0 : stake % (free < 5_000 ? free + 1 : 5_000)) * 1 ether;
        bool admitted = epochs.accountOf(who).admitted;
        bool ok = attempt(who, address(epochs), abi.encodeCall(epochs.join, (vm.addr(key), stake)));
        expect(!ok || admitted, "joined without being admitted");
        if (!ok) return;
        bind(key);
        expect(token.lockedOf(who) == stake && epochs.stakeOf(who) == stake, "a stake is not locked");
        expect(!epochs.isMember(vm.addr(key)), "joined before the boundary");
        done("join");
    }

    /// @dev If so few stay that nobody may go, holders admit one more, who joins with tokens of a richer one.
    function crew(uint256 seed) private {
        for (uint256 i = 0; i < FOUNDERS + CANDIDATES && staying() <= LEAST_STAYING; ++i) {
            uint256 place = seed % (FOUNDERS + CANDIDATES) + i;
            address who = owner(place);
            if (stays(who)) continue;
            admit(place, true);
            address rich = wealthy(seed);
            uint256 free = token.balanceOf(rich) - token.lockedOf(rich);
            attempt(rich, address(token), abi.encodeCall(token.transfer, (who, free / 2)));
            join(place, seed);
        }
    }

    function leave(uint256 seed) external {
        crew(seed);
        address who = owner(seed);
        if (!stays(who) || staying() <= LEAST_STAYING) return;
        bool member = epochs.isMember(epochs.keyOf(who));
        if (!attempt(who, address(epochs), abi.encodeCall(epochs.leave, ()))) return;
        expect(epochs.isMember(epochs.keyOf(who)) == member, "left before the boundary");
        expect(epochs.unlocksAt(who) >= block.timestamp + 8 * DAY, "a stake is free while evidence can turn up");
        mustRefuse(who, address(epochs), abi.encodeCall(epochs.unlockStake, ()));
        done("leave");
    }

    function setKey(uint256 seed) external {
        address who = owner(seed);
        if (bound.length >= MAX_KEYS || !stays(who)) return;
        uint256 key = 2001 + bound.length;
        mustRefuse(who, address(epochs), abi.encodeCall(epochs.setKey, (boundAddresses[seed % bound.length])));
        if (!attempt(who, address(epochs), abi.encodeCall(epochs.setKey, (vm.addr(key))))) return;
        bind(key);
        done("setKey");
    }

    function unlockStake(uint256 seed) external {
        for (uint256 i = 0; i < FOUNDERS + CANDIDATES; ++i) {
            address who = owner(seed % (FOUNDERS + CANDIDATES) + i);
            uint256 at = epochs.unlocksAt(who);
            if (at == 0) continue;
            bytes memory call = abi.encodeCall(epochs.unlockStake, ());
            if (block.timestamp < at) {
                mustRefuse(who, address(epochs), call);
                vm.warp(at);
            }
            if (!attempt(who, address(epochs), call)) return;
            expect(token.lockedOf(who) == 0 && epochs.stakeOf(who) == 0, "a stake is not free");
            mustRefuse(who, address(epochs), call);
            done("unlockStake");
            return;
        }
    }

    function postManifest(uint256 seed, uint256 back) external {
        uint256 now_ = epochs.currentEpoch();
        if (now_ < 8) return;
        uint64 epoch = uint64(now_ - 1 - back % 7);
        if (post(boundAddresses[seed % bound.length], epoch)) done("postManifest");
    }

    function post(address key, uint64 epoch) internal returns (bool) {
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = new bytes(65);
        bytes memory call = abi.encodeCall(epochs.postManifest, (epoch, bytes32(uint256(epoch)), signatures));
        bool ok = attempt(key, address(epochs), call);
        if (ok) mustRefuse(key, address(epochs), call);
        return ok;
    }

    /// @dev Seven epochs pass in which everybody posts but one, or so many do not that nobody may be judged.
    function suspend(uint256 seed) external {
        crew(seed);
        vm.warp(block.timestamp + 10 * DAY);
        uint256[] memory now_ = present();
        address who = owner(seed);
        for (uint256 i = 1; !stays(who) && i < FOUNDERS + CANDIDATES; ++i) {
            who = owner(seed % 64 + i);
        }
        if (now_.length <= LEAST_STAYING || staying() <= LEAST_STAYING || !stays(who)) return;
        uint256 posters = seed % 2 == 0 ? now_.length : 1;
        uint64 last = uint64(epochs.lastDue());
        uint256 posted = 0;
        for (uint256 i = 0; i < posters; ++i) {
            address key = boundAddresses[now_[i]];
            address account = epochs.validatorOf(key);
            if (account == who) continue;
            bool all = true;
            for (uint64 epoch = last - 6; epoch <= last; ++epoch) {
                all = post(key, epoch) && all;
            }
            if (all && epochs.isMember(key)) posted += epochs.stakeOf(account);
        }
        bool enough = 3 * posted > epochs.totalStake();
        bool ok = attempt(address(this), address(epochs), abi.encodeCall(epochs.suspend, (who)));
        expect(!ok || enough, "suspended by a third of the stake or less");
        if (ok) done("suspend");
        else if (!enough) done("suspend, refused");
        if (ok) mustRefuse(address(this), address(epochs), abi.encodeCall(epochs.suspend, (who)));
    }

    function slashEquivocation(uint256 seed) external {
        uint256 key = culprit(seed);
        if (key == 0) return;
        Roots.EpochRoot memory a = Roots.EpochRoot(uint64(seed % 100), 1, bytes32(seed), 0, 0);
        Roots.EpochRoot memory b = Roots.EpochRoot(a.epoch, 1, bytes32(seed), bytes32("other"), 0);
        (bytes memory sigA, bytes memory sigB) = (one(key, epochs.rootDigest(a)), one(key, epochs.rootDigest(b)));
        // The same root for the next set is honest.
        Roots.EpochRoot memory again = Roots.EpochRoot(a.epoch, 2, a.root, 0, 0);
        bytes memory honest = one(key, epochs.rootDigest(again));
        mustRefuse(holder(seed), address(epochs), abi.encodeCall(epochs.slashEquivocation, (a, again, sigA, honest)));
        mustRefuse(holder(seed), address(epochs), abi.encodeCall(epochs.slashEquivocation, (a, a, sigA, sigA)));
        slash(key, holder(seed), abi.encodeCall(epochs.slashEquivocation, (a, b, sigA, sigB)), "slashEquivocation");
    }

    function slashManifests(uint256 seed) external {
        uint256 key = culprit(seed);
        if (key == 0) return;
        uint64 epoch = uint64(seed % 100);
        (bytes32 a, bytes32 b) = (bytes32(seed), ~bytes32(seed));
        bytes memory sigA = one(key, typed(address(epochs), "Farfield", keccak256(abi.encode(MANIFEST, epoch, a))));
        bytes memory sigB = one(key, typed(address(epochs), "Farfield", keccak256(abi.encode(MANIFEST, epoch, b))));
        slash(key, holder(seed), abi.encodeCall(epochs.slashManifests, (epoch, a, b, sigA, sigB)), "slashManifests");
    }

    function slashAvailability(uint256 seed) external {
        uint256 key = culprit(seed);
        if (key == 0) return;
        (uint64 epoch, address of_) = (uint64(seed % 100), owner(seed >> 8));
        (bytes32 a, bytes32 b) = (bytes32(seed), ~bytes32(seed));
        bytes memory sigA =
            one(key, typed(address(epochs), "Farfield", keccak256(abi.encode(AVAILABLE, epoch, of_, a))));
        bytes memory sigB =
            one(key, typed(address(epochs), "Farfield", keccak256(abi.encode(AVAILABLE, epoch, of_, b))));
        bytes memory call = abi.encodeCall(epochs.slashAvailability, (epoch, of_, a, b, sigA, sigB));
        slash(key, holder(seed), call, "slashAvailability");
    }

    /// @dev A key whose owner has a stake and whose end the network survives; 0 if there is none.
    function culprit(uint256 seed) private returns (uint256) {
        if (seed % 2 != 0) return 0;
        crew(seed >> 4);
        uint256 key = bound[(seed >> 4) % bound.length];
        // Every fourth time anybody's key, that of a stakeless one included.
        for (uint256 i = 0; i < bound.length && seed % 8 != 0; ++i) {
            key = bound[((seed >> 4) + i) % bound.length];
            if (answering(key) > 0) break;
        }
        address who = epochs.validatorOf(vm.addr(key));
        return stays(who) && staying() <= LEAST_STAYING ? 0 : key;
    }

    /// @dev The stake that answers for what a key signed.
    function answering(uint256 key) private view returns (uint256) {
        ValidatorSet.Member memory member = epochs.memberOf(vm.addr(key));
        return member.term == epochs.accountOf(member.owner).term ? epochs.stakeOf(member.owner) : 0;
    }

    function slash(uint256 key, address reporter, bytes memory call, string memory name) private {
        address who = epochs.validatorOf(vm.addr(key));
        uint256 stake = answering(key);
        uint256[3] memory before = [token.balanceOf(who), token.balanceOf(reporter), token.totalSupply()];
        bool ok = attempt(reporter, address(epochs), call);
        expect(ok == (stake > 0), "I13 a fault was not punished, or punished without a stake");
        if (!ok) return;
        uint256 reward = token.balanceOf(reporter) - before[1];
        expect(reward <= stake / 10, "I13 a reporter got more than a tenth");
        expect(before[0] - token.balanceOf(who) == stake, "I13 a slashed stake was not taken");
        expect(before[2] - token.totalSupply() == stake - reward, "I13 a slashed stake was not burned");
        expect(token.lockedOf(who) == 0 && !stays(who), "I13 a slashed validator stays");
        burnedSoFar += stake - reward;
        mustRefuse(reporter, address(epochs), call);
        done(name);
    }
}
