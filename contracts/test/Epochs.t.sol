// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Epochs} from "../src/Epochs.sol";
import {Manifests} from "../src/Manifests.sol";
import {Roots} from "../src/Roots.sol";
import {ValidatorSet} from "../src/ValidatorSet.sol";
import {Network} from "./Network.sol";
import {vm} from "./Vm.sol";

contract EpochsTest is Network {
    bytes32[] private none;

    function setUp() public {
        deploy(7, 1);
    }

    // --- quorum --------------------------------------------------------------------------------------------------

    function testFuzz_quorumIsStrictlyMoreThanTwoThirds(uint40[7] memory weights, uint256 mask) public {
        uint40[] memory all = new uint40[](7);
        uint256 total = 0;
        uint256 signedWeight = 0;
        for (uint256 i = 0; i < 7; ++i) {
            all[i] = weights[i] == 0 ? 1 : weights[i];
            total += all[i];
            if ((mask >> i) & 1 == 1) signedWeight += all[i];
        }
        deploy(all);
        bytes32 digest = keccak256("anything");
        require(epochs.quorumValid(digest, signed(digest, mask)) == (3 * signedWeight > 2 * total), "quorum");
    }

    function test_exactlyTwoThirdsAreNotEnough() public {
        uint40[] memory all = new uint40[](3);
        (all[0], all[1], all[2]) = (5, 5, 5);
        deploy(all);
        vm.warp(endOf(1));
        Roots.EpochRoot memory r = rootOf(1, 0, 0);
        bytes memory two = signed(epochs.rootDigest(r), 3);
        vm.expectRevert(abi.encodeWithSelector(ValidatorSet.NoQuorum.selector, 10 ether, 15 ether));
        epochs.submitRoot(r, two);
        submit(r, 7);
    }

    function testFuzz_oneFlippedBitInAnySignatureIsRefused(uint256 bit) public {
        vm.warp(endOf(1));
        Roots.EpochRoot memory r = rootOf(1, bytes32("root"), 1);
        bytes memory good = signed(epochs.rootDigest(r), everybody());
        bit %= good.length * 8;
        good[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        require(!epochs.quorumValid(epochs.rootDigest(r), good), "accepted");
    }

    function testFuzz_anyChangedFieldNeedsNewSignatures(
        uint64 epoch,
        uint64 set,
        bytes32 root,
        bytes32 data,
        uint128 total
    ) public view {
        Roots.EpochRoot memory r = rootOf(1, bytes32("root"), 1);
        Roots.EpochRoot memory other = Roots.EpochRoot(epoch, set, root, data, total);
        bytes memory good = signed(epochs.rootDigest(r), everybody());
        bool same = keccak256(abi.encode(r)) == keccak256(abi.encode(other));
        require(epochs.quorumValid(epochs.rootDigest(other), good) == same, "digest");
    }

    function testFuzz_anyBytesAreNoQuorum(bytes32 digest, bytes calldata noise) public view {
        require(!epochs.quorumValid(digest, noise), "noise is a quorum");
    }

    function test_signaturesDoNotServeAnotherContract() public {
        Roots.EpochRoot memory r = rootOf(1, bytes32("root"), 1);
        bytes memory good = signed(epochs.rootDigest(r), everybody());
        deploy(7, 1);
        require(!epochs.quorumValid(epochs.rootDigest(r), good), "replayed");
    }

    function test_signaturesDoNotServeAnotherChain() public {
        Roots.EpochRoot memory r = rootOf(1, bytes32("root"), 1);
        bytes memory good = signed(epochs.rootDigest(r), everybody());
        vm.chainId(4711);
        require(!epochs.quorumValid(epochs.rootDigest(r), good), "replayed");
    }

    // --- clock ---------------------------------------------------------------------------------------------------

    function testFuzz_noRootBeforeItsEpochEnds(uint64 epoch, uint256 early) public {
        epoch = uint64(1 + (epoch % 1_000_000));
        vm.warp(endOf(epoch) - 1 - (early % LENGTH));
        Roots.EpochRoot memory r = rootOf(epoch, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(Manifests.EpochNotOver.selector, epoch, endOf(epoch)));
        epochs.submitRoot(r, "");
        vm.warp(endOf(epoch));
        submit(r, everybody());
    }

    function testFuzz_epochsOnlyGrow(uint64 first, uint64 second) public {
        first = uint64(1 + (first % 1000));
        second = uint64(second % 2000);
        vm.warp(endOf(3000));
        submit(rootOf(first, 0, 0), everybody());
        vm.warp(block.timestamp + WINDOW);
        Roots.EpochRoot memory r = rootOf(second, 0, 0);
        bytes memory good = signed(epochs.rootDigest(r), everybody());
        if (second <= first) vm.expectRevert(abi.encodeWithSelector(Roots.EpochNotNew.selector, second, first));
        epochs.submitRoot(r, good);
    }

    function testFuzz_rootWaitsForItsWindow(uint256 wait) public {
        vm.warp(endOf(1));
        submit(rootOf(1, bytes32("root"), 1), everybody());
        wait %= 3 * WINDOW;
        vm.warp(endOf(1) + wait);
        require((epochs.live().epoch == 1) == (wait >= WINDOW), "live");
        require((epochs.pending().epoch == 1) == (wait < WINDOW), "pending");
    }

    function testFuzz_manifestsAreTakenForSevenEpochs(uint64 epoch, uint256 time) public {
        epoch = uint64(1 + (epoch % 1000));
        time = endOf(epoch) - LENGTH + (time % (10 * LENGTH));
        vm.warp(time);
        bytes[] memory one = new bytes[](1);
        one[0] = new bytes(65);
        if (time < endOf(epoch)) {
            vm.expectRevert(abi.encodeWithSelector(Manifests.EpochNotOver.selector, epoch, endOf(epoch)));
        } else if (time >= endOf(epoch) + 7 * LENGTH) {
            vm.expectRevert(abi.encodeWithSelector(Manifests.EpochClosed.selector, epoch, endOf(epoch) + 7 * LENGTH));
        }
        vm.prank(vm.addr(keys[0]));
        epochs.postManifest(epoch, bytes32("manifest"), one);
        require(
            epochs.hasPosted(epoch, ownerOf(0)) == (time >= endOf(epoch) && time < endOf(epoch) + 7 * LENGTH), "flag"
        );
    }

    function testFuzz_manifestFlagsDoNotMix(uint64 a, uint64 b) public {
        a = uint64(1 + (a % 100_000));
        b = uint64(1 + (b % 100_000));
        vm.assume(a != b);
        bytes[] memory one = new bytes[](1);
        one[0] = new bytes(65);
        vm.warp(endOf(a));
        vm.prank(vm.addr(keys[3]));
        epochs.postManifest(a, 0, one);
        require(epochs.hasPosted(a, ownerOf(3)), "posted");
        require(!epochs.hasPosted(b, ownerOf(3)) && !epochs.hasPosted(a, ownerOf(2)), "mixed");
    }

    // --- emission and claims ---------------------------------------------------------------------------------------

    function testFuzz_emissionSums(uint128 first, uint64 halving, uint64 epoch) public {
        first = first == 0 ? 1 : first;
        halving = uint64(1 + (halving % 20));
        epoch = uint64(epoch % 3000);
        Epochs.Config memory c = config();
        (c.firstEmission, c.halvingEpochs) = (first, halving);
        ValidatorSet.Validator[] memory members = new ValidatorSet.Validator[](1);
        members[0] = ValidatorSet.Validator(ownerOf(0), vm.addr(keys[0]), 1 ether);
        deploy(c, members);
        uint256 sum = 0;
        for (uint64 e = 0; e <= epoch; ++e) {
            uint256 halvings = e / halving;
            sum += halvings > 127 ? 0 : uint256(first) >> halvings;
            if (e % 97 == 0) require(epochs.emission(e) == (halvings > 127 ? 0 : uint256(first) >> halvings), "one");
        }
        require(epochs.emittedThrough(epoch) == sum, "sum");
    }

    function testFuzz_aRootAboveEmissionIsRefused(uint64 epoch, uint128 total) public {
        epoch = uint64(1 + (epoch % 50));
        uint256 emitted = epochs.emittedThrough(epoch);
        vm.warp(endOf(epoch));
        Roots.EpochRoot memory r = rootOf(epoch, 0, total);
        bytes memory good = signed(epochs.rootDigest(r), everybody());
        if (total > emitted) vm.expectRevert(abi.encodeWithSelector(Roots.AboveEmission.selector, total, emitted));
        epochs.submitRoot(r, good);
    }

    function testFuzz_claimsMintExactlyWhatTheLeafAdds(uint160 account, uint128 first, uint128 second) public {
        vm.assume(account != 0);
        first = uint128(first % FIRST_EMISSION);
        second = uint128(second % FIRST_EMISSION);
        vm.assume(0 < first && first < second);
        uint256 before = token.balanceOf(address(account));
        grant(1, account, first);
        epochs.claim(account, first, none);
        grant(2, account, second);
        epochs.claim(account, second, none);
        require(token.balanceOf(address(account)) - before == second, "balance");
        require(epochs.totalClaimed() == second, "total");
        require(token.totalSupply() == token.genesisSupply() + second, "supply");
        vm.expectRevert(abi.encodeWithSelector(Epochs.NothingToClaim.selector, account, second));
        epochs.claim(account, second, none);
    }

    function testFuzz_idsBetweenAccountsAndHotspotsAreRefused(uint256 id) public {
        id = (id % ((1 << 255) - (1 << 160))) + (1 << 160);
        grant(1, id, 1);
        vm.expectRevert(abi.encodeWithSelector(Epochs.NotAnId.selector, id));
        epochs.claim(id, 1, none);
    }

    function testFuzz_aWrongProofIsRefused(uint256 id, uint256 cumulative, bytes32[] calldata proof) public {
        grant(1, uint160(PAYEE), 5);
        vm.assume(!(id == uint160(PAYEE) && cumulative == 5 && proof.length == 0));
        vm.expectRevert(abi.encodeWithSelector(Roots.BadProof.selector, id));
        epochs.claim(id, cumulative, proof);
    }

    // --- the first set ---------------------------------------------------------------------------------------------

    function refusesSet(ValidatorSet.Validator[] memory members, bytes memory reason) private {
        address[] memory owners = new address[](members.length);
        uint256[] memory locked = new uint256[](members.length);
        for (uint256 i = 0; i < members.length; ++i) {
            owners[i] = members[i].owner == address(0) ? address(1) : members[i].owner;
            locked[i] = members[i].stake;
        }
        Epochs.Config memory c = config();
        refusesSet(c, members, owners, locked, reason);
    }

    function refusesSet(
        Epochs.Config memory c,
        ValidatorSet.Validator[] memory members,
        address[] memory owners,
        uint256[] memory locked,
        bytes memory reason
    ) private {
        address predicted = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        c.token = new TokenOf().create(predicted, owners, locked);
        (c.hotspots, c.timelock) = (hotspots, address(timelock));
        vm.expectRevert(reason);
        new Epochs(c, 0, members);
    }

    function pair() private view returns (ValidatorSet.Validator[] memory members) {
        members = new ValidatorSet.Validator[](2);
        members[0] = ValidatorSet.Validator(ownerOf(0), vm.addr(keys[0]), 5 ether);
        members[1] = ValidatorSet.Validator(ownerOf(1), vm.addr(keys[1]), 5 ether);
    }

    function bad(ValidatorSet.Validator memory v) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ValidatorSet.BadValidator.selector, v.owner, v.key, v.stake);
    }

    function test_refusesAnEmptySet() public {
        refusesSet(new ValidatorSet.Validator[](0), abi.encodeWithSelector(ValidatorSet.WrongNumberOfValidators.selector, 0));
    }

    function test_refusesMoreThan64() public {
        ValidatorSet.Validator[] memory members = new ValidatorSet.Validator[](65);
        for (uint256 i = 0; i < 65; ++i) {
            members[i] = ValidatorSet.Validator(ownerOf(i), ownerOf(1000 + i), 1 ether);
        }
        refusesSet(members, abi.encodeWithSelector(ValidatorSet.WrongNumberOfValidators.selector, 65));
    }

    function test_refusesAnOwnerTwice() public {
        ValidatorSet.Validator[] memory members = pair();
        members[1].owner = members[0].owner;
        refusesSet(members, bad(members[0]));
    }

    function test_refusesAKeyTwice() public {
        ValidatorSet.Validator[] memory members = pair();
        members[1].key = members[0].key;
        refusesSet(members, bad(members[1]));
    }

    function test_refusesNobody() public {
        ValidatorSet.Validator[] memory members = pair();
        members[1].owner = address(0);
        refusesSet(members, bad(members[1]));
        members = pair();
        members[0].key = address(0);
        refusesSet(members, bad(members[0]));
        members = pair();
        members[0].stake = 0;
        refusesSet(members, bad(members[0]));
    }

    function test_refusesAStakeThatIsNotWholeTokensOrTooMany() public {
        ValidatorSet.Validator[] memory members = pair();
        members[1].stake = (uint128(type(uint40).max) + 1) * 1 ether;
        refusesSet(members, bad(members[1]));
        members[1].stake = 1 ether + 1;
        refusesSet(members, bad(members[1]));
    }

    function test_refusesAStakeThatIsNotLocked() public {
        ValidatorSet.Validator[] memory members = pair();
        address[] memory owners = new address[](1);
        uint256[] memory locked = new uint256[](1);
        (owners[0], locked[0]) = (members[0].owner, 5 ether);
        refusesSet(config(), members, owners, locked, bad(members[1]));
    }
}

import {FarfieldToken} from "../src/FarfieldToken.sol";

/// @dev Deploys a token without touching the nonce of the test more than once.
contract TokenOf {
    function create(address epochs, address[] memory owners, uint256[] memory locked) external returns (FarfieldToken) {
        return new FarfieldToken(epochs, owners, locked);
    }
}
