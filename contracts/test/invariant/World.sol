// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Epochs} from "../../src/Epochs.sol";
import {Roots} from "../../src/Roots.sol";
import {ValidatorSet} from "../../src/ValidatorSet.sol";
import {Network} from "../Network.sol";
import {vm} from "../Vm.sol";

/// @dev A whole network with days for epochs, the people in it, what they know, and what must have happened so far.
/// Handlers act through `attempt`, which notes every refusal that has no name; what must not happen is noted in
/// `broken`, because a handler that reverts would only be passed over.
abstract contract World is Network {
    struct Device {
        uint256 x;
        uint256 y;
        uint256 id;
        bytes32 r;
        bytes32 s;
        address owner;
        bool registered;
    }

    uint64 internal constant DAY = 1 days;
    uint64 internal constant HOUR = 1 hours;
    uint64 internal constant LEAST_STAYING = 3;
    uint256 internal constant FOUNDERS = 4;
    uint256 internal constant CANDIDATES = 3;
    uint256 internal constant HOLDERS = 4;
    uint256 internal constant DEVICES = 4;
    uint256 internal constant LEAVES = 8;
    uint256 internal constant MAX_KEYS = 40;
    uint256 internal constant FIRST_HOLDER_KEY = 5001;
    uint64 internal constant HOME = 0x8a1f8b2a5757fff;
    uint64 internal constant AWAY = 0x8a1f8b2a5747fff;
    uint256 internal constant ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551;
    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    /// @dev Everybody who may hold tokens or shares: founders, candidates, holders, then a contract.
    address[] internal people;
    /// @dev All private keys ever bound to a validator.
    uint256[] internal bound;
    address[] internal boundAddresses;
    Device[] internal devices;
    uint256[LEAVES] internal ids;
    /// @dev What the roots grant each id so far.
    uint256[LEAVES] internal granted;
    mapping(bytes32 root => uint256[LEAVES]) internal leavesOf;

    // What must have happened.
    string public broken;
    uint256 public burnedSoFar;
    mapping(uint256 id => uint256) public depositedSoFar;
    mapping(uint256 id => uint256) public paidSoFar;
    mapping(uint256 id => uint256) public debtBefore;
    uint64 public epochBefore;
    uint64 public setBefore;
    mapping(uint64 epoch => uint256) public activeAtOf;
    mapping(uint64 epoch => bool) public dropped;
    string[] public names;
    mapping(string name => uint256) public successes;

    constructor() {
        vm.warp(GENESIS);
        uint40[] memory first = new uint40[](FOUNDERS);
        for (uint256 i = 0; i < FOUNDERS; ++i) {
            first[i] = 1_000;
        }
        keys = sortedKeys(FOUNDERS);
        stakes = first;
        ValidatorSet.Validator[] memory members = new ValidatorSet.Validator[](FOUNDERS);
        for (uint256 i = 0; i < FOUNDERS; ++i) {
            members[i] = ValidatorSet.Validator(ownerOf(i), vm.addr(keys[i]), 1_000 ether);
            bind(keys[i]);
        }
        Epochs.Config memory c = config();
        (c.epochLength, c.closeAfter, c.finality, c.challengeWindow) = (DAY, HOUR, HOUR / 4, HOUR);
        (c.halvingEpochs, c.founderLock) = (1_000, 30 days);
        deploy(c, members);
        for (uint256 i = 0; i < FOUNDERS + CANDIDATES; ++i) {
            people.push(ownerOf(i));
        }
        for (uint256 i = 0; i < HOLDERS; ++i) {
            people.push(vm.addr(FIRST_HOLDER_KEY + i));
        }
        for (uint256 i = 0; i < DEVICES; ++i) {
            _addDevice(i);
        }
        (ids[4], ids[5]) = (uint160(holder(0)), uint160(holder(1)));
        (ids[6], ids[7]) = (uint160(ownerOf(FOUNDERS)), uint160(ownerOf(0)));
        for (uint256 i = 0; i < people.length; ++i) {
            vm.prank(people[i]);
            token.delegate(ownerOf(0));
        }
        setBefore = 1;
        vm.warp(GENESIS + 2 * DAY + 2 * HOUR);
    }

    function _addDevice(uint256 i) private {
        Device memory d;
        d.owner = people[FOUNDERS + CANDIDATES + i % HOLDERS];
        (d.x, d.y) = vm.publicKeyP256(i + 1);
        d.id = hotspots.idOf(d.x, d.y);
        (d.r, d.s) = vm.signP256(i + 1, hotspots.registrationHash(d.x, d.y, d.owner, HOME, 0, 5, uint8(i)));
        if (uint256(d.s) > ORDER / 2) d.s = bytes32(ORDER - uint256(d.s));
        devices.push(d);
        ids[i] = d.id;
    }

    // --- acting ---------------------------------------------------------------------------------------------------

    /// @dev Calls as `sender`. A refusal must be a custom error with a name.
    function attempt(address sender, address target, bytes memory data) internal returns (bool ok) {
        vm.prank(sender);
        bytes memory answer;
        (ok, answer) = target.call(data);
        if (ok) return true;
        bytes4 name = bytes4(answer);
        bool named = answer.length >= 4 && name != bytes4(0x08c379a0) && name != bytes4(0x4e487b71);
        expect(named, "a refusal without a name");
    }

    /// @dev Calls as `sender`, who must be refused.
    function mustRefuse(address sender, address target, bytes memory data) internal {
        expect(!attempt(sender, target, data), "somebody did what is not theirs to do");
    }

    function expect(bool right, string memory what) internal {
        if (!right && bytes(broken).length == 0) broken = what;
    }

    function done(string memory name) internal {
        if (successes[name] == 0) names.push(name);
        ++successes[name];
    }

    /// @dev Forgets what succeeded while the network was brought to life.
    function startCounting() external {
        for (uint256 i = 0; i < names.length; ++i) {
            delete successes[names[i]];
        }
        delete names;
    }

    function numberOfNames() external view returns (uint256) {
        return names.length;
    }

    // --- people ---------------------------------------------------------------------------------------------------

    function somebody(uint256 seed) internal view returns (address) {
        return people[seed % people.length];
    }

    function holder(uint256 i) internal view returns (address) {
        return people[FOUNDERS + CANDIDATES + i % HOLDERS];
    }

    /// @dev Somebody with tokens that are not locked, if there is anybody.
    function wealthy(uint256 seed) internal view returns (address who) {
        for (uint256 i = 0; i < people.length; ++i) {
            who = somebody(seed % people.length + i);
            if (token.balanceOf(who) > token.lockedOf(who)) return who;
        }
    }

    function owner(uint256 seed) internal pure returns (address) {
        return ownerOf(seed % (FOUNDERS + CANDIDATES));
    }

    function person(uint256 i) external view returns (address) {
        return people[i];
    }

    /// @dev In one call: the invariants ask after every step.
    function allPeople() external view returns (address[] memory) {
        return people;
    }

    function bind(uint256 key) internal {
        bound.push(key);
        boundAddresses.push(vm.addr(key));
    }

    function boundKeys() external view returns (address[] memory) {
        return boundAddresses;
    }

    function idAt(uint256 i) external view returns (uint256) {
        return ids[i];
    }

    function network() external view returns (address, address, address) {
        return (address(token), address(hotspots), address(epochs));
    }

    /// @dev How many of the validators stay in the next epoch's set.
    function staying() internal view returns (uint256 count) {
        for (uint256 i = 0; i < FOUNDERS + CANDIDATES; ++i) {
            if (stays(ownerOf(i))) ++count;
        }
    }

    function stays(address account) internal view returns (bool) {
        return epochs.memberOf(epochs.keyOf(account)).until == type(uint24).max;
    }

    // --- signing --------------------------------------------------------------------------------------------------

    /// @dev The places in `bound` of the present set's keys, ascending by address.
    function present() internal view returns (uint256[] memory found) {
        found = new uint256[](bound.length);
        uint256 count = 0;
        for (uint256 i = 0; i < found.length; ++i) {
            if (!epochs.isMember(boundAddresses[i])) continue;
            uint256 j = count++;
            while (j > 0 && boundAddresses[found[j - 1]] > boundAddresses[i]) {
                found[j] = found[j - 1];
                --j;
            }
            found[j] = i;
        }
        assembly ("memory-safe") {
            mstore(found, count)
        }
    }

    /// @dev Signatures of the present set; those whose bit is set in `absent` do not sign.
    function signedByPresent(bytes32 digest, uint256 absent) internal view returns (bytes memory packed) {
        uint256[] memory now_ = present();
        for (uint256 i = 0; i < now_.length; ++i) {
            if ((absent >> i) & 1 == 0) packed = bytes.concat(packed, one(bound[now_[i]], digest));
        }
    }

    function one(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return bytes.concat(r, s, bytes1(v));
    }

    function typed(address verifier, string memory name, bytes32 structHash) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(DOMAIN, keccak256(bytes(name)), keccak256("1"), block.chainid, verifier)
        );
        return keccak256(bytes.concat(hex"1901", domain, structHash));
    }

    // --- trees ----------------------------------------------------------------------------------------------------

    function rootOver(uint256[LEAVES] memory amounts) internal view returns (bytes32) {
        return _node(amounts, 0, LEAVES);
    }

    function proofOf(uint256[LEAVES] memory amounts, uint256 i) internal view returns (bytes32[] memory proof) {
        proof = new bytes32[](3);
        (proof[0], proof[1]) = (_node(amounts, i ^ 1, 1), _node(amounts, (i & ~uint256(1)) ^ 2, 2));
        proof[2] = _node(amounts, (i & 4) ^ 4, 4);
    }

    function _node(uint256[LEAVES] memory amounts, uint256 from, uint256 count) private view returns (bytes32) {
        if (count == 1) return leafOf(ids[from], amounts[from]);
        bytes32 a = _node(amounts, from, count / 2);
        bytes32 b = _node(amounts, from + count / 2, count / 2);
        return a < b ? keccak256(bytes.concat(a, b)) : keccak256(bytes.concat(b, a));
    }
}
