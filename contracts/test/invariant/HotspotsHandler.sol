// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./World.sol";

/// @dev Every function of the registry.
abstract contract HotspotsHandler is World {
    function register(uint256 seed) external {
        Device storage d = devices[seed % DEVICES];
        uint8 kind = uint8(seed % DEVICES);
        bytes memory call =
            abi.encodeCall(hotspots.register, (d.x, d.y, d.owner, HOME, 0, 5, kind, d.r, d.s));
        bool ok = attempt(somebody(seed), address(hotspots), call);
        expect(ok != d.registered, "I7 registered twice, or refused the first time");
        if (!ok) return;
        d.registered = true;
        debtBefore[d.id] = hotspots.debtOf(d.id);
        expect(debtBefore[d.id] == REGISTRATION_FEE, "I6 the debt is not the fee");
        done("register");
    }

    function locate(uint256 seed, bool away, int16 gain) external {
        uint256 id = ids[registered(seed)];
        address operator = hotspots.operatorOf(id);
        if (operator == address(0)) return;
        uint64 cell = away ? AWAY : HOME;
        bool moves = hotspots.infoOf(id).cell != cell;
        if (seed % 8 != 0) {
            afford(operator, 10 ether);
            attempt(operator, address(token), abi.encodeCall(token.approve, (address(hotspots), 10 ether)));
        }
        gain = int16(int256(gain) % 1000);
        bytes memory call = abi.encodeCall(hotspots.locate, (id, cell, gain, 7));
        if (somebody(seed) != operator) mustRefuse(somebody(seed), address(hotspots), call);
        if (!attempt(operator, address(hotspots), call)) return;
        if (moves) burnedSoFar += LOCATION_FEE;
        expect(hotspots.infoOf(id).cell == cell && hotspots.infoOf(id).gain == gain, "a place was not kept");
        done(moves ? "locate, moved" : "locate");
    }

    function setApprovalForAll(uint256 from, uint256 to, bool on) external {
        bytes memory call = abi.encodeCall(hotspots.setApprovalForAll, (somebody(to), on));
        if (attempt(somebody(from), address(hotspots), call)) done("setApprovalForAll");
    }

    function safeTransferFrom(uint256 seed, uint256 to, uint256 amount, bool byAnother) external {
        uint256 id = ids[seed % DEVICES];
        address from = shareholder(id, seed >> 8);
        if (from == address(0)) return;
        amount %= hotspots.balanceOf(from, id) + 1;
        address by = from;
        if (byAnother) {
            by = somebody(amount);
            attempt(from, address(hotspots), abi.encodeCall(hotspots.setApprovalForAll, (by, true)));
        }
        uint256[2] memory owed = [hotspots.collectable(id, from), hotspots.collectable(id, somebody(to))];
        bytes memory call = abi.encodeCall(hotspots.safeTransferFrom, (from, somebody(to), id, amount, ""));
        if (!attempt(by, address(hotspots), call)) return;
        expect(
            owed[0] == hotspots.collectable(id, from) && owed[1] == hotspots.collectable(id, somebody(to)),
            "I5 a sale moved income"
        );
        if (amount > 0) done("safeTransferFrom");
    }

    function safeBatchTransferFrom(uint256 seed, uint256 to, uint256 amount) external {
        address from = shareholder(ids[seed % DEVICES], seed >> 8);
        if (from == address(0)) return;
        (uint256[] memory batch, uint256[] memory amounts) = (new uint256[](3), new uint256[](3));
        // One id twice, and one that the sender may have nothing of.
        (batch[0], batch[1], batch[2]) = (ids[seed % DEVICES], ids[(seed + 1) % DEVICES], ids[seed % DEVICES]);
        amounts[0] = amount % (hotspots.balanceOf(from, batch[0]) / 2 + 1);
        amounts[1] = amount % (hotspots.balanceOf(from, batch[1]) + 1);
        amounts[2] = amounts[0];
        bytes memory call = abi.encodeCall(hotspots.safeBatchTransferFrom, (from, somebody(to), batch, amounts, ""));
        if (attempt(from, address(hotspots), call)) done("safeBatchTransferFrom");
    }

    function collect(uint256 seed) external {
        _collect(shareholder(ids[registered(seed)], seed >> 8), registered(seed), true);
    }

    function collectFor(uint256 seed) external {
        uint256 i = registered(seed);
        _collect(seed % 4 == 0 ? somebody(seed) : shareholder(ids[i], seed >> 8), i, false);
    }

    function _collect(address who, uint256 first, bool self) private {
        if (who == address(0)) return;
        uint256[] memory batch = new uint256[](3);
        (batch[0], batch[1], batch[2]) = (ids[first], ids[(first + 1) % DEVICES], ids[first]);
        uint256[2] memory owed = [hotspots.collectable(batch[0], who), hotspots.collectable(batch[1], who)];
        bytes memory call = self
            ? abi.encodeCall(hotspots.collect, (batch))
            : abi.encodeCall(hotspots.collectFor, (who, batch));
        uint256 before = token.balanceOf(who);
        if (!attempt(self ? who : address(this), address(hotspots), call)) return;
        expect(token.balanceOf(who) == before + owed[0] + owed[1], "I8 paid more or less than was owed");
        paidSoFar[batch[0]] += owed[0];
        paidSoFar[batch[1]] += owed[1];
        attempt(self ? who : address(this), address(hotspots), call);
        expect(token.balanceOf(who) == before + owed[0] + owed[1], "I8 paid twice");
        if (owed[0] + owed[1] > 0) done(self ? "collect" : "collectFor");
    }

    function setFrozen(uint256 seed, bool on) external {
        uint256 id = ids[seed % DEVICES];
        bytes memory call = abi.encodeCall(hotspots.setFrozen, (id, bytes32(seed), on));
        mustRefuse(somebody(seed), address(hotspots), call);
        mustRefuse(address(governor), address(hotspots), call);
        if (!attempt(address(timelock), address(hotspots), call)) return;
        expect(hotspots.frozen(id) == on, "frozen");
        done("setFrozen");
    }

    /// @dev The place of a hotspot that is registered, for at least one is.
    function registered(uint256 seed) private view returns (uint256 i) {
        i = seed % DEVICES;
        while (!devices[i].registered) i = (i + 1) % DEVICES;
    }

    /// @dev Whoever has not this much to spend gets it from a richer one, if there is one.
    function afford(address who, uint256 amount) private {
        if (token.balanceOf(who) - token.lockedOf(who) >= amount) return;
        attempt(wealthy(uint160(who)), address(token), abi.encodeCall(token.transfer, (who, amount)));
    }

    /// @dev Somebody with shares of this hotspot.
    function shareholder(uint256 id, uint256 seed) internal view returns (address) {
        for (uint256 i = 0; i < people.length; ++i) {
            address candidate = somebody(seed % people.length + i);
            if (hotspots.balanceOf(candidate, id) > 0) return candidate;
        }
        return address(0);
    }
}
