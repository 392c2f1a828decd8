// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {H3Cell} from "./H3Cell.sol";

/// @title The registry of hotspots.
/// @notice A hotspot is a device with a P-256 key. The device itself signs where it stands and whom it belongs to, and
/// this contract checks that signature: nobody vouches for a device, and nobody can register one for another owner.
/// Anyone may relay a registration and pay its gas.
contract Hotspots {
    /// @notice What the chain knows of one hotspot.
    struct Info {
        /// The account the hotspot belongs to; zero if the hotspot is not registered.
        address operator;
        /// Antenna gain, 0.01 dBi.
        int16 gain;
        /// Antenna height above ground, metres.
        int16 elevation;
        /// 0 fixed, 1 mapper, 2 fixed Wi-Fi, 3 mapper Wi-Fi.
        uint8 kind;
        /// H3 cell, resolution 9 to 12.
        uint64 cell;
    }

    uint256 private constant HOTSPOT_BIT = 1 << 255;
    bytes32 private constant REGISTRATION = "farfield/registration";
    uint256 private constant MIN_RESOLUTION = 9;
    uint256 private constant MAX_RESOLUTION = 12;
    int16 private constant MIN_GAIN = -1000;
    int16 private constant MAX_GAIN = 1500;
    uint8 private constant MAX_KIND = 3;

    mapping(uint256 id => Info) private _infos;

    /// @notice A hotspot exists from now on. `x` and `y` are its public key; they are not kept in storage.
    event Registered(
        uint256 indexed id,
        address indexed owner,
        uint64 cell,
        int16 gain,
        int16 elevation,
        uint8 kind,
        uint256 x,
        uint256 y
    );

    /// @notice Signed bytes hold the chain id in 64 bits, and this chain's does not fit.
    error ChainIdTooLarge(uint256 chainId);
    /// @notice This device is registered already.
    error AlreadyRegistered(uint256 id);
    /// @notice A hotspot must belong to somebody.
    error NoOwner();
    /// @notice The kind is not one of 0 to 3.
    error UnknownKind(uint8 kind);
    /// @notice The cell is not an H3 cell of resolution 9 to 12.
    error NotACell(uint64 cell);
    /// @notice The antenna gain is outside -10.00 to 15.00 dBi.
    error GainOutOfRange(int16 gain);
    /// @notice The device's signature does not fit its key and this registration.
    error BadDeviceSignature(uint256 id);

    constructor() {
        require(block.chainid <= type(uint64).max, ChainIdTooLarge(block.chainid));
    }

    /// @notice Registers a hotspot. Anyone may send this; only the device's own signature counts.
    /// @param x X of the device's P-256 public key.
    /// @param y Y of the device's P-256 public key.
    /// @param owner The account the hotspot belongs to.
    /// @param cell H3 cell of its place, resolution 9 to 12.
    /// @param gain Antenna gain, 0.01 dBi, -1000 to 1500.
    /// @param elevation Antenna height above ground, metres.
    /// @param kind 0 fixed, 1 mapper, 2 fixed Wi-Fi, 3 mapper Wi-Fi.
    /// @param r First half of the device's signature over the bytes that `registrationHash` hashes.
    /// @param s Second half, at most half the order of the curve.
    function register(
        uint256 x,
        uint256 y,
        address owner,
        uint64 cell,
        int16 gain,
        int16 elevation,
        uint8 kind,
        bytes32 r,
        bytes32 s
    ) external {
        uint256 id = idOf(x, y);
        require(_infos[id].operator == address(0), AlreadyRegistered(id));
        require(owner != address(0), NoOwner());
        require(kind <= MAX_KIND, UnknownKind(kind));
        require(H3Cell.isCell(cell, MIN_RESOLUTION, MAX_RESOLUTION), NotACell(cell));
        require(gain >= MIN_GAIN && gain <= MAX_GAIN, GainOutOfRange(gain));
        bytes32 digest = registrationHash(x, y, owner, cell, gain, elevation, kind);
        require(P256.verify(digest, r, s, bytes32(x), bytes32(y)), BadDeviceSignature(id));
        _add(id, Info(owner, gain, elevation, kind, cell), x, y);
    }

    function _add(uint256 id, Info memory info, uint256 x, uint256 y) private {
        _infos[id] = info;
        emit Registered(id, info.operator, info.cell, info.gain, info.elevation, info.kind, x, y);
    }

    /// @notice The id of the device with this public key: its keccak-256 with bit 255 set, so no account equals it.
    function idOf(uint256 x, uint256 y) public pure returns (uint256) {
        return uint256(keccak256(abi.encodePacked(x, y))) | HOTSPOT_BIT;
    }

    /// @notice The SHA-256 a device signs: type, chain id, this contract, then the registration's canonical bytes.
    function registrationHash(uint256 x, uint256 y, address owner, uint64 cell, int16 gain, int16 elevation, uint8 kind)
        public
        view
        returns (bytes32)
    {
        bytes memory head = abi.encodePacked(REGISTRATION, uint64(block.chainid), address(this), x, y);
        return sha256(bytes.concat(head, abi.encodePacked(owner, cell, gain, elevation, kind)));
    }

    /// @notice The account a hotspot belongs to; zero if it is not registered.
    function operatorOf(uint256 id) external view returns (address) {
        return _infos[id].operator;
    }

    /// @notice Everything kept of a hotspot; all zero if it is not registered.
    function infoOf(uint256 id) external view returns (Info memory) {
        return _infos[id];
    }

    /// @notice True once the device is registered.
    function isRegistered(uint256 id) external view returns (bool) {
        return _infos[id].operator != address(0);
    }
}
