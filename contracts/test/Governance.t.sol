// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {Epochs} from "../src/Epochs.sol";
import {FarfieldToken} from "../src/FarfieldToken.sol";
import {Hotspots} from "../src/Hotspots.sol";
import {ValidatorSet} from "../src/ValidatorSet.sol";
import {Devices} from "./Devices.sol";
import {Network} from "./Network.sol";
import {vm} from "./Vm.sol";

/// @dev What a vote can do, how long it takes, and what not even a unanimous one can.
contract GovernanceTest is Network, Devices {
    bytes32[] private none;

    function setUp() public {
        deploy(4, 1_000);
        for (uint256 i = 0; i < 4; ++i) {
            vm.prank(ownerOf(i));
            token.delegate(ownerOf(i));
        }
        vm.warp(block.timestamp + 1);
    }

    function lists(address target, bytes memory call)
        private
        pure
        returns (address[] memory to, uint256[] memory values, bytes[] memory calls)
    {
        (to, values, calls) = (new address[](1), new uint256[](1), new bytes[](1));
        (to[0], calls[0]) = (target, call);
    }

    /// @dev Everybody votes for it, and it is carried out by somebody unknown as soon as it can be.
    function decide(address target, bytes memory call, bytes memory reason) private {
        (address[] memory to, uint256[] memory values, bytes[] memory calls) = lists(target, call);
        vm.prank(ownerOf(0));
        uint256 id = governor.propose(to, values, calls, "");
        vm.warp(block.timestamp + VOTING_DELAY + 1);
        for (uint256 i = 0; i < 4; ++i) {
            vm.prank(ownerOf(i));
            governor.castVote(id, 1);
        }
        vm.warp(block.timestamp + VOTING_PERIOD + 1);
        governor.queue(to, values, calls, keccak256(""));
        vm.warp(block.timestamp + TIMELOCK_DELAY);
        if (reason.length > 0) vm.expectRevert(reason);
        vm.prank(address(0xBAD));
        governor.execute(to, values, calls, keccak256(""));
    }

    function test_aVoteAdmitsAValidator() public {
        address newcomer = address(0xC0DE);
        decide(address(epochs), abi.encodeCall(epochs.admit, (newcomer, true)), "");
        vm.prank(address(epochs));
        token.mint(newcomer, 500 ether);
        vm.prank(newcomer);
        epochs.join(vm.addr(77_001), 500 ether);
        vm.warp(block.timestamp + LENGTH);
        require(epochs.totalStake() == 4_500 ether, "joined");
    }

    function test_aVoteSetsTheParameters() public {
        decide(address(epochs), abi.encodeCall(epochs.setParamsHash, (bytes32("new"))), "");
        require(epochs.paramsHash() == bytes32("new"), "hash");
    }

    function test_aVoteFreezesAHotspot() public {
        uint256 id = register(hotspots, 1, PAYEE);
        decide(address(hotspots), abi.encodeCall(hotspots.setFrozen, (id, bytes32("why"), true)), "");
        require(hotspots.frozen(id), "frozen");
        // Its shares and income stay its holders'.
        vm.prank(PAYEE);
        hotspots.safeTransferFrom(PAYEE, address(1), id, 10, "");
    }

    function test_nothingIsCarriedOutEarlyOrWithoutAVote() public {
        bytes memory call = abi.encodeCall(epochs.setParamsHash, (bytes32("new")));
        (address[] memory to, uint256[] memory values, bytes[] memory calls) = lists(address(epochs), call);
        vm.prank(ownerOf(0));
        uint256 id = governor.propose(to, values, calls, "");
        vm.expectRevert();
        governor.queue(to, values, calls, keccak256(""));
        vm.warp(block.timestamp + VOTING_DELAY + 1);
        vm.prank(ownerOf(1));
        governor.castVote(id, 1);
        vm.warp(block.timestamp + VOTING_PERIOD + 1);
        governor.queue(to, values, calls, keccak256(""));
        vm.warp(block.timestamp + TIMELOCK_DELAY - 1);
        vm.expectRevert();
        governor.execute(to, values, calls, keccak256(""));
        require(epochs.paramsHash() == bytes32("params"), "early");
    }

    /// @dev All tokens vote for it, and still nothing of this can be done: there is no function that would.
    function test_aUnanimousVoteTouchesNoBalanceNoClaimAndNoMinting() public {
        bytes memory refused = abi.encodeWithSelector(FarfieldToken.OnlyEpochs.selector, address(timelock));
        decide(address(token), abi.encodeCall(token.mint, (PAYEE, 1)), refused);
    }

    function test_aUnanimousVoteTakesNoStake() public {
        bytes memory refused = abi.encodeWithSelector(FarfieldToken.OnlyEpochs.selector, address(timelock));
        decide(address(token), abi.encodeCall(token.slash, (ownerOf(1), 10, PAYEE, 1)), refused);
    }

    function test_aUnanimousVoteDepositsNothing() public {
        uint256 id = register(hotspots, 1, PAYEE);
        bytes memory refused = abi.encodeWithSelector(Hotspots.OnlyEpochs.selector, address(timelock));
        decide(address(hotspots), abi.encodeCall(hotspots.deposit, (id, 1)), refused);
    }

    function test_aUnanimousVoteMovesNoLiveRoot() public {
        grant(1, uint160(PAYEE), 100);
        bytes32 live = epochs.live().root;
        (address[] memory to, uint256[] memory values, bytes[] memory calls) =
            lists(address(epochs), abi.encodeCall(epochs.cancelRoot, (1)));
        vm.prank(ownerOf(0));
        uint256 id = governor.propose(to, values, calls, "");
        vm.warp(block.timestamp + VOTING_DELAY + 1);
        vm.prank(ownerOf(0));
        governor.castVote(id, 1);
        vm.warp(block.timestamp + VOTING_PERIOD + 1);
        governor.queue(to, values, calls, keccak256(""));
        vm.warp(block.timestamp + TIMELOCK_DELAY);
        vm.expectRevert();
        governor.execute(to, values, calls, keccak256(""));
        require(epochs.live().root == live, "moved");
        epochs.claim(uint160(PAYEE), 100, none);
    }

    /// @dev What no vote reaches because no function of any contract writes it: the schedule is in the code itself.
    function test_noFunctionChangesTheSchedule() public {
        uint256 before = epochs.emittedThrough(1_000);
        string[5] memory names = [
            "setFirstEmission(uint128)",
            "setHalvingEpochs(uint64)",
            "setEpochs(address)",
            "setTimelock(address)",
            "transferOwnership(address)"
        ];
        for (uint256 i = 0; i < names.length; ++i) {
            vm.prank(address(timelock));
            (bool ok,) = address(epochs).call(abi.encodeWithSignature(names[i], 1));
            require(!ok, names[i]);
        }
        require(epochs.emittedThrough(1_000) == before, "schedule");
    }

    function test_onlyTheTimelockGoverns() public {
        address[3] memory others = [address(governor), ownerOf(0), address(this)];
        for (uint256 i = 0; i < 3; ++i) {
            bytes memory refused = abi.encodeWithSelector(ValidatorSet.OnlyTimelock.selector, others[i]);
            vm.expectRevert(refused);
            vm.prank(others[i]);
            epochs.admit(PAYEE, true);
            vm.expectRevert(refused);
            vm.prank(others[i]);
            epochs.setParamsHash(0);
            vm.expectRevert(refused);
            vm.prank(others[i]);
            epochs.cancelRoot(1);
            vm.expectRevert(refused);
            vm.prank(others[i]);
            hotspots.setFrozen(1, 0, true);
        }
    }

    function test_noAccountHoldsARole() public view {
        bytes32[4] memory roles =
            [bytes32(0), timelock.PROPOSER_ROLE(), timelock.CANCELLER_ROLE(), timelock.EXECUTOR_ROLE()];
        for (uint256 i = 0; i < roles.length; ++i) {
            require(!timelock.hasRole(roles[i], address(this)), "the deployer");
            for (uint256 j = 0; j < 4; ++j) {
                require(!timelock.hasRole(roles[i], ownerOf(j)), "a founder");
            }
        }
        require(timelock.hasRole(roles[0], address(timelock)), "itself");
        require(timelock.hasRole(roles[1], address(governor)) && timelock.hasRole(roles[2], address(governor)), "governor");
        require(timelock.hasRole(roles[3], address(0)), "anybody carries out what is due");
    }
}
