// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hotspots} from "../src/Hotspots.sol";
import {vm} from "./Vm.sol";

/// @dev Devices with P-256 keys 1, 2, ...
abstract contract Devices {
    struct Registration {
        uint256 x;
        uint256 y;
        uint256 id;
        bytes32 r;
        bytes32 s;
    }

    uint64 internal constant HOME = 0x8a1f8b2a5757fff;
    uint64 internal constant AWAY = 0x8a1f8b2a5747fff;
    uint256 internal constant P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551;

    /// @dev What device `key` signs for this owner: at HOME, gain 0, 5 m up, fixed.
    function registration(Hotspots hotspots, uint256 key, address owner)
        internal
        view
        returns (Registration memory d)
    {
        (d.x, d.y) = vm.publicKeyP256(key);
        d.id = hotspots.idOf(d.x, d.y);
        (d.r, d.s) = vm.signP256(key, hotspots.registrationHash(d.x, d.y, owner, HOME, 0, 5, 0));
        if (uint256(d.s) > P256_ORDER / 2) d.s = bytes32(P256_ORDER - uint256(d.s));
    }

    function register(Hotspots hotspots, uint256 key, address owner) internal returns (uint256) {
        Registration memory d = registration(hotspots, key, owner);
        hotspots.register(d.x, d.y, owner, HOME, 0, 5, 0, d.r, d.s);
        return d.id;
    }
}
