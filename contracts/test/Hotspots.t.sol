// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hotspots} from "../src/Hotspots.sol";
import {H3Cell} from "../src/H3Cell.sol";
import {Network} from "./Network.sol";
import {vm} from "./Vm.sol";

/// @dev Runs with the P-256 precompile under the osaka profile and with the Solidity fallback under the default one.
contract HotspotsTest is Network {
    uint64 private constant HOME = 0x8a1f8b2a5757fff;
    uint256 private constant ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551;

    function setUp() public {
        deploy(1, 1);
    }

    function sign(uint256 key, address owner, int16 gain, int16 elevation, uint8 kind)
        private
        view
        returns (uint256 x, uint256 y, bytes32 r, bytes32 s)
    {
        (x, y) = vm.publicKeyP256(key);
        (r, s) = vm.signP256(key, hotspots.registrationHash(x, y, owner, HOME, gain, elevation, kind));
        if (uint256(s) > ORDER / 2) s = bytes32(ORDER - uint256(s));
    }

    function testFuzz_registersWhatTheDeviceSigned(uint256 key, address owner, int16 gain, int16 elevation, uint8 kind)
        public
    {
        key = 1 + (key % (ORDER - 1));
        vm.assume(owner != address(0));
        gain = int16(-1000 + int256(uint256(uint16(gain)) % 2501));
        kind %= 4;
        (uint256 x, uint256 y, bytes32 r, bytes32 s) = sign(key, owner, gain, elevation, kind);
        hotspots.register(x, y, owner, HOME, gain, elevation, kind, r, s);
        uint256 id = hotspots.idOf(x, y);
        require(id >> 255 == 1, "id");
        require(hotspots.operatorOf(id) == owner && hotspots.isRegistered(id), "owner");
        Hotspots.Info memory info = hotspots.infoOf(id);
        require(info.cell == HOME && info.gain == gain && info.elevation == elevation && info.kind == kind, "info");
        vm.expectRevert(abi.encodeWithSelector(Hotspots.AlreadyRegistered.selector, id));
        hotspots.register(x, y, owner, HOME, gain, elevation, kind, r, s);
    }

    function testFuzz_oneFlippedBitOfTheSignatureIsRefused(uint256 key, uint256 bit) public {
        key = 1 + (key % (ORDER - 1));
        (uint256 x, uint256 y, bytes32 r, bytes32 s) = sign(key, PAYEE, 0, 0, 0);
        bit %= 512;
        if (bit < 256) r ^= bytes32(uint256(1) << bit);
        else s ^= bytes32(uint256(1) << (bit - 256));
        vm.expectRevert(abi.encodeWithSelector(Hotspots.BadDeviceSignature.selector, hotspots.idOf(x, y)));
        hotspots.register(x, y, PAYEE, HOME, 0, 0, 0, r, s);
    }

    function testFuzz_nobodyRegistersForAnotherOwner(uint256 key, address thief) public {
        key = 1 + (key % (ORDER - 1));
        vm.assume(thief != PAYEE && thief != address(0));
        (uint256 x, uint256 y, bytes32 r, bytes32 s) = sign(key, PAYEE, 0, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(Hotspots.BadDeviceSignature.selector, hotspots.idOf(x, y)));
        vm.prank(thief);
        hotspots.register(x, y, thief, HOME, 0, 0, 0, r, s);
    }

    function test_takesTheLargestChainIdThatFitsSignedBytes() public {
        vm.chainId(type(uint64).max);
        new Hotspots(token, address(epochs), address(timelock), 0, 0);
    }

    /// @dev A plain reading of the index, digit by digit, against the one with masks.
    function testFuzz_cellCheckReadsEveryDigit(uint64 noise, uint8 base, uint8 resolution, uint8 digit, uint8 place)
        public
        pure
    {
        resolution %= 16;
        uint64 cell = (uint64(1) << 59) | (uint64(resolution) << 52) | (uint64(base & 0x7F) << 45);
        for (uint64 i = 1; i <= 15; ++i) {
            uint64 value = i > resolution ? 7 : (noise >> (3 * i)) & 7;
            if (i == place % 16) value = digit & 7;
            if (value == 7 && i <= resolution && digit < 128) value = 0;
            cell |= value << (3 * (15 - i));
        }
        require(H3Cell.isCell(cell, 9, 12) == slowly(cell), "cell");
        require(H3Cell.isCell(noise, 9, 12) == slowly(noise), "noise");
    }

    function slowly(uint64 cell) private pure returns (bool) {
        uint64 resolution = (cell >> 52) & 15;
        uint64 base = (cell >> 45) & 127;
        if (cell >> 63 != 0 || (cell >> 59) & 15 != 1 || (cell >> 56) & 7 != 0) return false;
        if (resolution < 9 || resolution > 12 || base > 121) return false;
        bool leading = true;
        for (uint64 i = 1; i <= 15; ++i) {
            uint64 value = (cell >> (3 * (15 - i))) & 7;
            if (i > resolution ? value != 7 : value == 7) return false;
            if (i > resolution || value == 0 || !leading) continue;
            leading = false;
            if (value == 1 && isPentagon(base)) return false;
        }
        return true;
    }

    function isPentagon(uint64 base) private pure returns (bool) {
        uint8[12] memory all = [4, 14, 24, 38, 49, 58, 63, 72, 83, 97, 107, 117];
        for (uint256 i = 0; i < 12; ++i) {
            if (all[i] == base) return true;
        }
        return false;
    }
}
