// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC20Votes} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import {Votes} from "@openzeppelin/contracts/governance/utils/Votes.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";

/// @title The token a network pays for coverage with.
/// @notice Nobody owns this contract and nobody can change it. Only the Epochs contract mints, and only what a live
/// root grants. Stake is a lock on the holder's own balance: stakers keep their votes, and there is no pool to steal.
contract FarfieldToken is ERC20, ERC20Permit, ERC20Votes {
    using Checkpoints for Checkpoints.Trace208;

    /// @dev Read with every mint, so in one slot.
    struct Changes {
        /// Everything burned since genesis.
        uint208 burned;
        /// Hours since 1970 when the supply changed last.
        uint48 hour;
    }

    /// @dev Of a slashed stake, the reporter gets at most this part.
    uint256 private constant REWARD_DIVISOR = 10;
    /// @dev Past supplies are known by the hour: one note for all claims of an hour, not one for each.
    uint48 private constant HOUR = 1 hours;

    /// @notice The only contract that mints, locks, unlocks and slashes.
    address public immutable epochs;

    /// @notice What existed on the first day: the first validators' stakes, every token of it locked.
    uint256 public immutable genesisSupply;

    /// @notice The part of an account's balance that it cannot move.
    mapping(address account => uint256) public lockedOf;

    Changes private _changes;
    /// @dev By the last second before an hour in which the supply changed: the supply until then.
    Checkpoints.Trace208 private _supplies;

    /// @notice Part of an account's balance became locked, or free again; `locked` is the new total.
    event LockChanged(address indexed account, uint256 locked);
    /// @notice `amount` of a stake was taken: `reward` went to the reporter and the rest was burned.
    event Slashed(address indexed account, uint256 amount, address indexed reporter, uint256 reward);

    /// @notice Somebody other than the Epochs contract asked for what only it may do.
    error OnlyEpochs(address caller);
    /// @notice The account would be left with less than it has locked.
    error BalanceLocked(address account, uint256 balance, uint256 locked);
    /// @notice The account does not have this much to lock.
    error NotEnoughToLock(address account, uint256 free, uint256 amount);
    /// @notice The account has not locked this much.
    error NotLocked(address account, uint256 locked, uint256 amount);
    /// @notice A reporter gets at most a tenth of what is slashed.
    error RewardTooHigh(uint256 amount, uint256 reward);
    /// @notice Every staker needs exactly one stake.
    error StakesDoNotMatch(uint256 stakers, uint256 stakes);

    modifier onlyEpochs() {
        require(msg.sender == epochs, OnlyEpochs(msg.sender));
        _;
    }

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

    // --- what only the Epochs contract may do ---------------------------------------------------------------------

    /// @notice Creates tokens for a claim. Only the Epochs contract can, and it keeps to the emission schedule.
    /// @return Everything minted since genesis, this included.
    function mint(address to, uint256 amount) external onlyEpochs returns (uint256) {
        _mint(to, amount);
        return minted();
    }

    /// @notice Locks this much more of an account's balance, because its owner asked the Epochs contract to stake it.
    function lock(address account, uint256 amount) external onlyEpochs {
        uint256 locked = lockedOf[account];
        uint256 free = balanceOf(account) - locked;
        require(amount <= free, NotEnoughToLock(account, free, amount));
        _setLock(account, locked + amount);
    }

    /// @notice Sets a stake free again.
    function unlock(address account, uint256 amount) external onlyEpochs {
        uint256 locked = lockedOf[account];
        require(amount <= locked, NotLocked(account, locked, amount));
        _setLock(account, locked - amount);
    }

    /// @notice Takes a locked stake: `reward`, at most a tenth, goes to the reporter, the rest is burned.
    function slash(address account, uint256 amount, address reporter, uint256 reward) external onlyEpochs {
        uint256 locked = lockedOf[account];
        require(amount <= locked, NotLocked(account, locked, amount));
        require(reward <= amount / REWARD_DIVISOR, RewardTooHigh(amount, reward));
        _setLock(account, locked - amount);
        _burn(account, amount - reward);
        _transfer(account, reporter, reward);
        emit Slashed(account, amount, reporter, reward);
    }

    // --- what holders may do ----------------------------------------------------------------------------------------

    /// @notice Destroys tokens of the sender's own that are not locked.
    function burn(uint256 amount) external {
        _burn(msg.sender, amount);
    }

    /// @notice Destroys tokens of an account that has allowed the sender to spend them.
    function burnFrom(address from, uint256 amount) external {
        _spendAllowance(from, msg.sender, amount);
        _burn(from, amount);
    }

    // --- views ------------------------------------------------------------------------------------------------------

    /// @notice Everything burned since genesis: fees, slashed stakes, and what holders burn themselves.
    function burned() public view returns (uint256) {
        return _changes.burned;
    }

    /// @notice Everything minted since genesis, burned since or not.
    function minted() public view returns (uint256) {
        return totalSupply() + burned() - genesisSupply;
    }

    /// @notice The supply at the end of the hour of `timepoint`, against which a vote's quorum is counted; until that
    /// hour is over, the supply now.
    /// @dev Votes themselves are known by the second. OpenZeppelin's note of the supply for every second of change
    /// would make a claim dearer by a quarter.
    function getPastTotalSupply(uint256 timepoint) public view override returns (uint256) {
        uint48 time = _validateTimepoint(timepoint);
        (bool any, uint48 last,) = _supplies.latestCheckpoint();
        return any && time <= last ? _supplies.lowerLookup(time) : totalSupply();
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

    function _setLock(address account, uint256 locked) private {
        lockedOf[account] = locked;
        emit LockChanged(account, locked);
    }

    /// @dev Every move of tokens passes here. A locked part may never leave.
    function _update(address from, address to, uint256 value) internal override(ERC20, ERC20Votes) {
        super._update(from, to, value);
        if (from == address(0)) _noteSupply(totalSupply() - value, 0);
        if (to == address(0)) _noteSupply(totalSupply() + value, value);
        if (from != address(0)) {
            uint256 balance = balanceOf(from);
            uint256 locked = lockedOf[from];
            require(balance >= locked, BalanceLocked(from, balance, locked));
        }
    }

    /// @dev When the supply changes for the first time in an hour, notes what it was until then. All that can be minted
    /// is below 2**208, as ERC20Votes checks, and so is what can be burned.
    function _noteSupply(uint256 before, uint256 burning) private {
        Changes memory changes = _changes;
        uint48 hour = clock() / HOUR;
        if (changes.hour == hour && burning == 0) return;
        if (changes.hour < hour) _supplies.push(hour * HOUR - 1, uint208(before));
        _changes = Changes(changes.burned + uint208(burning), hour);
    }

    /// @dev Votes move as always; the supply is noted by `_noteSupply` instead.
    function _transferVotingUnits(address from, address to, uint256 amount) internal override(Votes) {
        _moveDelegateVotes(delegates(from), delegates(to), amount);
    }
}
