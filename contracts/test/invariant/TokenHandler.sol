// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./World.sol";
import {vm} from "../Vm.sol";

/// @dev Every function of the token.
abstract contract TokenHandler is World {
    bytes32 private constant PERMIT =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
    bytes32 private constant DELEGATION = keccak256("Delegation(address delegatee,uint256 nonce,uint256 expiry)");

    function transfer(uint256 from, uint256 to, uint256 amount) external {
        address sender = wealthy(from);
        uint256 most = token.balanceOf(sender);
        // Now and then a little more than is free.
        amount = most == 0 ? 0 : amount % (most + 1);
        bool free = amount + token.lockedOf(sender) <= most;
        bool ok = attempt(sender, address(token), abi.encodeCall(token.transfer, (somebody(to), amount)));
        expect(ok == free || somebody(to) == sender, "I2 a locked part moved, or a free one did not");
        if (ok && amount > 0) done("transfer");
    }

    function approve(uint256 from, uint256 to, uint256 amount) external {
        address spender = to % 2 == 0 ? address(hotspots) : somebody(to);
        if (attempt(somebody(from), address(token), abi.encodeCall(token.approve, (spender, amount)))) done("approve");
    }

    function transferFrom(uint256 from, uint256 by, uint256 to, uint256 amount) external {
        address source = wealthy(from);
        amount %= token.balanceOf(source) - token.lockedOf(source) + 1;
        attempt(source, address(token), abi.encodeCall(token.approve, (somebody(by), amount)));
        bytes memory call = abi.encodeCall(token.transferFrom, (source, somebody(to), amount));
        if (attempt(somebody(by), address(token), call)) done("transferFrom");
        if (amount > 0) mustRefuse(somebody(by), address(token), call);
    }

    function permit(uint256 from, uint256 to, uint256 amount) external {
        address source = holder(from);
        uint256 deadline = block.timestamp + 1;
        bytes32 content = keccak256(
            abi.encode(PERMIT, source, somebody(to), amount, token.nonces(source), deadline)
        );
        bytes32 digest = typed(address(token), "Farfield", content);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(FIRST_HOLDER_KEY + from % HOLDERS, digest);
        bytes memory call = abi.encodeCall(token.permit, (source, somebody(to), amount, deadline, v, r, s));
        if (attempt(address(this), address(token), call)) done("permit");
        mustRefuse(address(this), address(token), call);
    }

    function delegate(uint256 from, uint256 to) external {
        // Founder 0 keeps most votes, so that proposals can pass.
        address to_ = to % 4 == 0 ? somebody(from) : ownerOf(0);
        if (attempt(somebody(from), address(token), abi.encodeCall(token.delegate, (to_)))) done("delegate");
    }

    function delegateBySig(uint256 from) external {
        address source = holder(from);
        (uint256 nonce, uint256 expiry) = (token.nonces(source), block.timestamp + 1);
        bytes32 digest =
            typed(address(token), "Farfield", keccak256(abi.encode(DELEGATION, ownerOf(0), nonce, expiry)));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(FIRST_HOLDER_KEY + from % HOLDERS, digest);
        bytes memory call = abi.encodeCall(token.delegateBySig, (ownerOf(0), nonce, expiry, v, r, s));
        if (attempt(address(this), address(token), call)) done("delegateBySig");
        mustRefuse(address(this), address(token), call);
    }

    function burn(uint256 from, uint256 amount) external {
        address source = wealthy(from);
        amount = (token.balanceOf(source) - token.lockedOf(source)) / (2 + amount % 1_000);
        if (amount > 0 && attempt(source, address(token), abi.encodeCall(token.burn, (amount)))) {
            burnedSoFar += amount;
            done("burn");
        }
    }

    function burnFrom(uint256 from, uint256 by, uint256 amount) external {
        address source = wealthy(from);
        amount = (token.balanceOf(source) - token.lockedOf(source)) / (2 + amount % 1_000);
        attempt(source, address(token), abi.encodeCall(token.approve, (somebody(by), amount)));
        if (amount > 0 && attempt(somebody(by), address(token), abi.encodeCall(token.burnFrom, (source, amount)))) {
            burnedSoFar += amount;
            done("burnFrom");
        }
    }

    /// @dev I3: nobody but Epochs does any of these, the Timelock and the Governor included.
    function onlyEpochsMay(uint256 by, uint256 amount) external {
        address[4] memory others = [somebody(by), address(timelock), address(governor), address(hotspots)];
        address other = others[by % 4];
        mustRefuse(other, address(token), abi.encodeCall(token.mint, (other, amount)));
        mustRefuse(other, address(token), abi.encodeCall(token.lock, (somebody(amount), 1)));
        mustRefuse(other, address(token), abi.encodeCall(token.unlock, (ownerOf(by % FOUNDERS), 1)));
        mustRefuse(other, address(token), abi.encodeCall(token.slash, (ownerOf(by % FOUNDERS), 10, other, 1)));
        mustRefuse(other, address(hotspots), abi.encodeCall(hotspots.deposit, (ids[by % DEVICES], amount)));
        done("onlyEpochsMay");
    }
}
