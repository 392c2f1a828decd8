// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Epochs} from "../../src/Epochs.sol";
import {FarfieldToken} from "../../src/FarfieldToken.sol";
import {Hotspots} from "../../src/Hotspots.sol";
import {Roots} from "../../src/Roots.sol";
import {ValidatorSet} from "../../src/ValidatorSet.sol";
import {Handler} from "./Handler.sol";
import {vm} from "../Vm.sol";

/// @dev I1 to I14 after every single call. The handlers' successes are counted over all runs, in the environment,
/// because every run starts from the same state; the last run fails if a handler hardly ever succeeded.
contract InvariantsTest {
    /// @dev As in foundry.toml.
    uint256 private constant RUNS = 256;
    /// @dev Every handler must have succeeded this often in all runs together.
    uint256 private constant LEAST_SUCCESSES = 40;
    uint256 private constant IDS = 4;
    uint256 private constant SHARES = 10_000;

    Handler private handler;
    FarfieldToken private token;
    Hotspots private hotspots;
    Epochs private epochs;

    function setUp() public {
        handler = new Handler();
        (address a, address b, address c) = handler.network();
        (token, hotspots, epochs) = (FarfieldToken(a), Hotspots(b), Epochs(c));
        bringToLife();
    }

    /// @dev Hotspots that have earned, holders and candidates with tokens: most of what handlers try can succeed.
    function bringToLife() private {
        for (uint256 i = 0; i < IDS / 2; ++i) {
            handler.register(i);
        }
        for (uint256 i = 4; i < 7; ++i) {
            handler.admit(i, true);
        }
        handler.submitRoot(0, 1);
        handler.submitRoot(0, 1);
        for (uint256 i = 0; i < 8; ++i) {
            handler.claim(i);
        }
        address rich = handler.person(4);
        uint256 part = token.balanceOf(rich) / 10;
        for (uint256 i = 5; i < 11; ++i) {
            address other = handler.person(i);
            vm.prank(rich);
            token.transfer(other, part);
        }
        handler.startCounting();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_I1toI14() external view {
        string memory broken = handler.broken();
        require(bytes(broken).length == 0, broken);
        address[] memory people = handler.allPeople();
        tokens(people);
        for (uint256 i = 0; i < IDS; ++i) {
            shares(handler.idAt(i), people);
        }
        income(people);
        roots();
        members();
    }

    function tokens(address[] memory people) private view {
        uint256 claimed = 0;
        for (uint256 i = 0; i < 8; ++i) {
            claimed += epochs.claimed(handler.idAt(i));
        }
        uint256 burned = handler.burnedSoFar();
        require(token.totalSupply() == token.genesisSupply() + claimed - burned, "I1 supply");
        require(token.minted() == claimed && token.burned() == burned, "I1 counters");
        uint256 sum = token.balanceOf(address(hotspots));
        for (uint256 i = 0; i < people.length; ++i) {
            (uint256 balance, uint256 locked) = (token.balanceOf(people[i]), token.lockedOf(people[i]));
            require(locked <= balance, "I2 locked");
            require(locked == epochs.stakeOf(people[i]), "I2 stake");
            sum += balance;
        }
        require(sum == token.totalSupply(), "I3 balances");
    }

    function shares(uint256 id, address[] memory people) private view {
        address operator = hotspots.operatorOf(id);
        uint256 sum = 0;
        for (uint256 i = 0; i < people.length; ++i) {
            uint256 part = hotspots.balanceOf(people[i], id);
            sum += part;
            require(2 * part <= SHARES || operator == people[i], "I7 operator");
        }
        require(sum == (operator == address(0) ? 0 : SHARES), "I4 shares");
        require(hotspots.isRegistered(id) == (operator != address(0)), "I7 registered");
        require(hotspots.debtOf(id) == handler.debtBefore(id), "I6 debt");
    }

    function income(address[] memory people) private view {
        uint256 held = 0;
        for (uint256 i = 0; i < IDS; ++i) {
            uint256 id = handler.idAt(i);
            uint256 owed = 0;
            for (uint256 j = 0; j < people.length; ++j) {
                owed += hotspots.collectable(id, people[j]);
            }
            uint256 left = handler.depositedSoFar(id) - handler.paidSoFar(id);
            // What cannot be divided by 10,000 yet waits for the next deposit; nothing else is missing.
            require(owed <= left && left - owed < SHARES, "I5 income");
            held += left;
        }
        require(token.balanceOf(address(hotspots)) >= held, "I5 held");
    }

    function roots() private view {
        Roots.Root memory live = epochs.live();
        require(epochs.totalClaimed() <= live.cumTotal, "I9 claimed");
        require(live.epoch == 0 || live.cumTotal <= epochs.emittedThrough(live.epoch), "I9 emitted");
        require(epochs.lastEpoch() == handler.epochBefore(), "I10 epoch");
        require(live.epoch == 0 || handler.activeAtOf(live.epoch) <= block.timestamp, "I11 live too early");
        require(!handler.dropped(live.epoch), "I11 dropped and live");
        Roots.Root memory pending = epochs.pending();
        require(pending.epoch == 0 || !handler.dropped(pending.epoch), "I11 dropped and waiting");
    }

    function members() private view {
        uint256 sum = 0;
        uint256 count = 0;
        address[] memory owners = new address[](64);
        address[] memory keys = handler.boundKeys();
        for (uint256 i = 0; i < keys.length; ++i) {
            if (!epochs.isMember(keys[i])) continue;
            ValidatorSet.Member memory member = epochs.memberOf(keys[i]);
            sum += member.stake;
            for (uint256 j = 0; j < count; ++j) {
                require(owners[j] != member.owner, "I12 two keys");
            }
            owners[count++] = member.owner;
        }
        require(epochs.totalStake() == sum * 1 ether && count <= 64, "I12 stake of the set");
        require(epochs.totalStakeAt(epochs.currentEpoch()) == epochs.totalStake(), "I12 stake by epoch");
    }

    /// @dev Called by forge after each run.
    function afterInvariant() external {
        for (uint256 i = 0; i < handler.numberOfNames(); ++i) {
            string memory name = handler.names(i);
            add(name, handler.successes(name));
        }
        uint256 runs = add("runs", 1);
        if (runs == RUNS) checkSuccesses();
    }

    function checkSuccesses() private view {
        string[46] memory all = [
            "transfer", "approve", "transferFrom", "permit", "delegate", "delegateBySig", "burn", "burnFrom",
            "onlyEpochsMay", "register", "locate", "locate, moved", "setApprovalForAll", "safeTransferFrom",
            "safeBatchTransferFrom", "collect", "collectFor", "setFrozen", "admit", "join", "leave", "setKey",
            "unlockStake", "postManifest", "suspend", "suspend, refused", "slashEquivocation", "slashManifests",
            "slashAvailability", "submitRoot", "cancelByProof", "veto", "cancelRoot", "cancelRoot, too late",
            "setParamsHash", "pause", "claim", "claim, hotspot", "claimMany", "propose", "castVote", "queue", "execute",
            "cancel", "strangersGovern", "castVoteBySig"
        ];
        string memory rare;
        for (uint256 i = 0; i < all.length; ++i) {
            uint256 count = vm.envOr(string.concat("FARFIELD_INVARIANT_", all[i]), 0);
            if (count < LEAST_SUCCESSES) rare = string.concat(rare, all[i], ": ", vm.toString(count), "; ");
        }
        require(bytes(rare).length == 0, string.concat("succeeded too rarely: ", rare));
    }

    function add(string memory name, uint256 more) private returns (uint256 sum) {
        name = string.concat("FARFIELD_INVARIANT_", name);
        sum = vm.envOr(name, 0) + more;
        vm.setEnv(name, vm.toString(sum));
    }
}
