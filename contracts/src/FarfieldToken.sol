// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC20Votes} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";

/// @title The token a network pays for coverage with.
/// @notice Nobody owns this contract and nobody can change it. Only the Epochs contract mints, and only what a live
/// root grants. Stake is a lock on the holder's own balance: stakers keep their votes, and there is no pool to steal.
contract FarfieldToken is ERC20, ERC20Permit, ERC20Votes {
    /// @notice The only minter.
    address public immutable epochs;

    /// @notice What existed on the first day: the first validators' stakes, every token of it locked.
    uint256 public immutable genesisSupply;

    /// @notice The part of an account's balance that it cannot move.
    mapping(address account => uint256) public lockedOf;

    /// @notice Part of an account's balance became locked, or free again; `locked` is the new total.
    event LockChanged(address indexed account, uint256 locked);

    /// @notice Somebody other than the Epochs contract asked for new tokens.
    error OnlyEpochs(address caller);
    /// @notice The account would be left with less than it has locked.
    error BalanceLocked(address account, uint256 balance, uint256 locked);
    /// @notice Every staker needs exactly one stake.
    error StakesDoNotMatch(uint256 stakers, uint256 stakes);

    /// @param epochs_ The Epochs contract of this network; deployed after the token, at a predicted address.
    /// @param stakers Owner accounts of the first validators.
    /// @param stakes Their stakes in base units, in the same order; minted and locked at once.
    constructor(address epochs_, address[] memory stakers, uint256[] memory stakes)
        ERC20("Farfield", "FAR")
        ERC20Permit("Farfield")
    {
        require(stakers.length == stakes.length, StakesDoNotMatch(stakers.length, stakes.length));
        epochs = epochs_;
        for (uint256 i = 0; i < stakers.length; ++i) {
            _mint(stakers[i], stakes[i]);
            lockedOf[stakers[i]] += stakes[i];
            emit LockChanged(stakers[i], lockedOf[stakers[i]]);
        }
        genesisSupply = totalSupply();
    }

    /// @notice Creates tokens for a claim. Only the Epochs contract can, and it keeps to the emission schedule.
    /// @return Everything minted since genesis, this included.
    function mint(address to, uint256 amount) external returns (uint256) {
        require(msg.sender == epochs, OnlyEpochs(msg.sender));
        _mint(to, amount);
        return minted();
    }

    /// @notice Everything minted since genesis.
    function minted() public view returns (uint256) {
        return totalSupply() - genesisSupply;
    }

    /// @notice Who votes for an account. Nobody votes for account 0, and every mint asks for it: no need to look it up.
    function delegates(address account) public view override returns (address) {
        return account == address(0) ? address(0) : super.delegates(account);
    }

    /// @notice The clock of votes: seconds, the block's timestamp (ERC-6372).
    function clock() public view override returns (uint48) {
        return uint48(block.timestamp);
    }

    /// @notice Says that votes are counted by timestamp (ERC-6372).
    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    /// @inheritdoc ERC20Permit
    function nonces(address owner) public view override(ERC20Permit, Nonces) returns (uint256) {
        return super.nonces(owner);
    }

    /// @dev Every move of tokens passes here. A locked part may never leave.
    function _update(address from, address to, uint256 value) internal override(ERC20, ERC20Votes) {
        super._update(from, to, value);
        if (from != address(0)) {
            uint256 balance = balanceOf(from);
            uint256 locked = lockedOf[from];
            require(balance >= locked, BalanceLocked(from, balance, locked));
        }
    }
}
