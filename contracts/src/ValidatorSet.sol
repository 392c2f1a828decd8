// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {Clock} from "./Clock.sol";
import {FarfieldToken} from "./FarfieldToken.sol";

/// @title Who signs, and with which weight.
/// @notice A validator is an owner account with a locked stake and a signing key. Whatever changes in an epoch takes
/// effect at the start of the next one, so a set stands still for an epoch. Nothing is applied later by somebody: who
/// belongs to the set follows from the epoch's number.
abstract contract ValidatorSet is Clock, EIP712 {
    using Checkpoints for Checkpoints.Trace208;

    /// @notice A validator: `owner` holds the stake, `key` signs.
    struct Validator {
        address owner;
        address key;
        uint128 stake;
    }

    /// @notice What is known of a signing key: whose it is, for ever, and in which epochs it counts. One slot, so that
    /// a signature costs one cold read.
    struct Member {
        address owner;
        /// Whole tokens.
        uint40 stake;
        /// First epoch in which it counts.
        uint24 from;
        /// First epoch in which it does not count any more; 2**24 - 1 while no end is known.
        uint24 until;
        /// The owner's term as this key was bound.
        uint8 term;
    }

    /// @notice What is known of an owner account.
    struct Account {
        /// The signing key announced last.
        address key;
        /// What is locked, whole tokens; still there while a stake is unbonding.
        uint40 stake;
        /// First epoch of the membership, whatever keys it has had.
        uint24 since;
        /// Whether holders voted it in: it may join.
        bool admitted;
        /// Whether its stake is part of genesis, which stays locked for longer.
        bool founder;
        /// How many of its stakes have been freed or slashed, modulo 256: a stake answers for the keys of its own term.
        uint8 term;
    }

    /// @dev The set in one slot. From epoch `effectiveEpoch` on, `nextId` and `stakeNext` hold; before it, the number
    /// below and `stakeNow`.
    struct Set {
        uint64 nextId;
        uint32 effectiveEpoch;
        /// Whole tokens.
        uint48 stakeNow;
        uint48 stakeNext;
        uint16 membersNext;
        /// Claims and roots stop until this second.
        uint48 pausedUntil;
    }

    enum Fault {
        None,
        Length,
        Signature,
        Order,
        Stranger
    }

    enum Why {
        Left,
        Suspended,
        Slashed
    }

    uint256 internal constant MAX_VALIDATORS = 64;
    uint256 internal constant SIGNATURE_BYTES = 65;
    /// @dev An epoch that has not closed this many epochs after its end never closes.
    uint256 internal constant CLOSING_EPOCHS = 7;
    uint24 internal constant NO_END = type(uint24).max;
    /// @dev Base units in a token. Stakes are whole tokens.
    uint256 internal constant TOKEN = 1e18;

    FarfieldToken public immutable token;
    /// @notice The only account that admits validators: it carries out what holders voted for.
    address public immutable timelock;
    /// @notice A stake stays locked, and can be slashed, this many epochs after its last one in the set.
    uint64 public immutable unbondingEpochs;
    /// @notice The first validators' stakes stay locked for this many seconds after genesis, whatever happens.
    uint64 public immutable founderLock;

    mapping(address key => Member) private _members;
    mapping(address owner => Account) private _accounts;
    Set internal _set;
    /// @dev Stake of the whole set by epoch, whole tokens.
    Checkpoints.Trace208 private _stakes;

    /// @notice A validator is a member of set `setId`, from epoch `effectiveEpoch` on.
    event ValidatorJoined(
        address indexed owner, address indexed key, uint128 stake, uint64 effectiveEpoch, uint64 setId
    );
    /// @notice A validator signs with another key, from epoch `effectiveEpoch` on.
    event KeyChanged(address indexed owner, address indexed newKey, uint64 effectiveEpoch, uint64 setId);
    /// @notice A validator is no member from epoch `effectiveEpoch` on: 0 it left, 1 it was suspended, 2 slashed.
    event ValidatorLeft(address indexed owner, uint64 effectiveEpoch, uint64 setId, Why why);
    /// @notice A stake became its owner's free balance again.
    event StakeUnlocked(address indexed owner, uint256 amount);
    /// @notice Holders voted that this account may join, or may not join any more.
    event Admitted(address indexed owner, bool admitted);

    /// @notice The token, the registry or the Timelock at this address is not the one of this network.
    error WrongContract(address contractAddress);
    /// @notice A stake must stay locked for as long as evidence against it can turn up.
    error UnbondingTooShort(uint256 unbondingEpochs, uint256 least);
    /// @notice A network starts with 1 to 64 validators.
    error WrongNumberOfValidators(uint256 count);
    /// @notice A validator needs an owner, a key and a stake in whole tokens, all its own, and the stake locked.
    error BadValidator(address owner, address key, uint128 stake);
    /// @notice Only the Timelock may, after a vote.
    error OnlyTimelock(address caller);
    /// @notice Holders have not voted this account in.
    error NotAdmitted(address owner);
    /// @notice This account is a member of the set already, or will be at the next epoch.
    error AlreadyMember(address owner);
    /// @notice This account is no member of the set, or has left it already.
    error NotAMember(address owner);
    /// @notice A key serves one validator for one term and is never used again.
    error KeyUsed(address key);
    /// @notice Account 0 signs nothing.
    error NoKey();
    /// @notice A stake is a positive number of whole tokens that fits 40 bits.
    error StakeNotWhole(uint256 stake);
    /// @notice Whoever returns stakes at least what is still locked.
    error StakeBelowLocked(uint256 stake, uint256 locked);
    /// @notice There are 64 validators.
    error SetFull();
    /// @notice This account has no stake here.
    error NothingStaked(address owner);
    /// @notice The stake is locked until this second.
    error StillBonded(uint256 until);
    /// @notice There must be 1 to 64 signatures.
    error WrongNumberOfSignatures(uint256 count);
    /// @notice A signature is not valid: wrong v, high s, or no account fits it.
    error BadSignature(uint256 index);
    /// @notice Signers must come in ascending order of their addresses, each once.
    error SignersNotAscending(uint256 index);
    /// @notice A signature is not one of a validator of the present set.
    error UnknownSigner(uint256 index);
    /// @notice The signers do not hold more than two thirds of the stake.
    error NoQuorum(uint256 signed, uint256 total);
    /// @notice The signers do not hold more than a third of the stake.
    error NotAThird(uint256 signed, uint256 total);

    modifier onlyTimelock() {
        require(msg.sender == timelock, OnlyTimelock(msg.sender));
        _;
    }

    constructor(
        FarfieldToken token_,
        address timelock_,
        uint64 unbondingEpochs_,
        uint64 founderLock_,
        Validator[] memory validators
    ) {
        require(
            address(token_).code.length > 0 && token_.epochs() == address(this), WrongContract(address(token_))
        );
        require(timelock_.code.length > 0, WrongContract(timelock_));
        // The last manifest of an epoch comes CLOSING_EPOCHS after it, and a root's window is shorter than an epoch.
        require(unbondingEpochs_ > CLOSING_EPOCHS, UnbondingTooShort(unbondingEpochs_, CLOSING_EPOCHS + 1));
        token = token_;
        timelock = timelock_;
        unbondingEpochs = unbondingEpochs_;
        founderLock = founderLock_;
        _joinFirst(token_, validators);
    }

    function _joinFirst(FarfieldToken token_, Validator[] memory validators) private {
        uint256 count = validators.length;
        require(count > 0 && count <= MAX_VALIDATORS, WrongNumberOfValidators(count));
        uint48 total = 0;
        for (uint256 i = 0; i < count; ++i) {
            Validator memory v = validators[i];
            bool fresh = _accounts[v.owner].key == address(0) && _members[v.key].owner == address(0);
            bool complete = v.owner != address(0) && v.key != address(0) && _isStake(v.stake);
            require(
                fresh && complete && token_.lockedOf(v.owner) == v.stake, BadValidator(v.owner, v.key, v.stake)
            );
            uint40 stake = uint40(v.stake / TOKEN);
            _accounts[v.owner] = Account(v.key, stake, 0, true, true, 0);
            _members[v.key] = Member(v.owner, stake, 0, NO_END, 0);
            total += stake;
            emit Admitted(v.owner, true);
            emit ValidatorJoined(v.owner, v.key, v.stake, 0, 1);
        }
        _set = Set(1, 0, total, total, uint16(count), 0);
        _stakes.push(0, total);
    }

    // --- joining and leaving --------------------------------------------------------------------------------------

    /// @notice Lets an account join, or not any more. Only the Timelock may. Nobody is put out of the set by this.
    function admit(address owner, bool admitted) external onlyTimelock {
        _accounts[owner].admitted = admitted;
        emit Admitted(owner, admitted);
    }

    /// @notice Makes the sender a validator from the next epoch on, and locks its stake.
    /// @param key What it signs with; never used before. The sender should prove to itself that it holds this key: all
    /// it signs speaks for the sender's stake.
    /// @param stake Base units, whole tokens. A validator that returns while an earlier stake is still locked stakes
    /// at least that again, and only the rest is locked anew.
    function join(address key, uint256 stake) external {
        Account storage account = _accounts[msg.sender];
        require(account.admitted, NotAdmitted(msg.sender));
        require(!_isStaying(account.key), AlreadyMember(msg.sender));
        require(_isStake(stake), StakeNotWhole(stake));
        uint256 locked = account.stake * TOKEN;
        require(stake >= locked, StakeBelowLocked(stake, locked));
        uint40 whole = uint40(stake / TOKEN);
        uint24 next = _nextEpoch();
        (account.stake, account.since) = (whole, next);
        _bind(account, key, Member(msg.sender, whole, next, NO_END, account.term));
        uint64 id = _change(0, whole);
        emit ValidatorJoined(msg.sender, key, uint128(stake), next, id);
        if (stake > locked) token.lock(msg.sender, stake - locked);
    }

    /// @notice Takes the sender out of the set from the next epoch on. Its stake stays locked for the unbonding time.
    function leave() external {
        _end(msg.sender, Why.Left);
    }

    /// @notice Makes the sender sign with another key from the next epoch on.
    /// @param newKey Never used before.
    function setKey(address newKey) external {
        Account storage account = _accounts[msg.sender];
        Member storage old = _members[account.key];
        require(_isStaying(account.key), NotAMember(msg.sender));
        uint24 next = _nextEpoch();
        old.until = next;
        _bind(account, newKey, Member(msg.sender, old.stake, next, NO_END, account.term));
        uint64 id = _change(0, 0);
        emit KeyChanged(msg.sender, newKey, next, id);
    }

    /// @notice Frees the sender's stake once nothing can be proved against it any more.
    function unlockStake() external {
        Account storage account = _accounts[msg.sender];
        uint256 stake = account.stake;
        require(stake > 0, NothingStaked(msg.sender));
        uint256 until = unlocksAt(msg.sender);
        require(until > 0, AlreadyMember(msg.sender));
        require(block.timestamp >= until, StillBonded(until));
        _endTerm(account);
        emit StakeUnlocked(msg.sender, stake * TOKEN);
        token.unlock(msg.sender, stake * TOKEN);
    }

    /// @notice The second from which `unlockStake` works; 0 while the account is in the set or has no stake.
    function unlocksAt(address owner) public view returns (uint256 time) {
        Account memory account = _accounts[owner];
        uint256 until = _members[account.key].until;
        if (account.stake == 0 || until == NO_END) return 0;
        time = _endOf(until + unbondingEpochs) - epochLength;
        uint256 founders = uint256(genesis) + founderLock;
        if (account.founder && founders > time) time = founders;
    }

    /// @dev Ends a membership at the next boundary.
    function _end(address owner, Why why) internal {
        address key = _accounts[owner].key;
        require(_isStaying(key), NotAMember(owner));
        uint24 next = _nextEpoch();
        _members[key].until = next;
        uint64 id = _change(_members[key].stake, 0);
        emit ValidatorLeft(owner, next, id, why);
    }

    /// @dev Burns the whole stake of the owner of a key, less a tenth for the reporter, and ends its membership; it
    /// returns only if holders admit it again. Works once, and for as long as the stake is locked: a stake of a later
    /// term answers for nothing this key has signed.
    function _slash(address key) internal {
        Member memory member = _members[key];
        address owner = member.owner;
        Account storage account = _accounts[owner];
        uint256 stake = member.term == account.term ? account.stake * TOKEN : 0;
        require(stake > 0, NothingStaked(owner));
        _endTerm(account);
        account.admitted = false;
        emit Admitted(owner, false);
        if (_isStaying(account.key)) _end(owner, Why.Slashed);
        token.slash(owner, stake, msg.sender, stake / 10);
    }

    /// @dev The stake is no more. A count that wraps after 256 terms, each of months, is as good as one that does not.
    function _endTerm(Account storage account) private {
        (account.stake, account.founder) = (0, false);
        unchecked {
            ++account.term;
        }
    }

    /// @dev Gives an account a key nobody has used.
    function _bind(Account storage account, address key, Member memory member) private {
        require(key != address(0), NoKey());
        require(_members[key].owner == address(0), KeyUsed(key));
        _members[key] = member;
        account.key = key;
    }

    /// @dev Changes the set of the next epoch and returns its number. All changes of an epoch share one number.
    function _change(uint40 out, uint40 into) private returns (uint64) {
        Set memory set = _set;
        uint24 next = _nextEpoch();
        if (set.effectiveEpoch < next) {
            set.stakeNow = set.stakeNext;
            set.effectiveEpoch = next;
            ++set.nextId;
        }
        set.stakeNext = set.stakeNext - out + into;
        if (out > 0) --set.membersNext;
        if (into > 0) ++set.membersNext;
        require(set.membersNext <= MAX_VALIDATORS, SetFull());
        _set = set;
        _stakes.push(next, set.stakeNext);
        return set.nextId;
    }

    /// @dev Stays below NO_END: a set that old changes no more, after 16.7 million epochs.
    function _nextEpoch() private view returns (uint24) {
        return SafeCast.toUint24(currentEpoch() + 2) - 1;
    }

    /// @dev True if the key belongs to the set of the next epoch as things stand.
    function _isStaying(address key) internal view returns (bool) {
        return _members[key].until == NO_END;
    }

    function _isStake(uint256 stake) private pure returns (bool) {
        return stake > 0 && stake % TOKEN == 0 && stake / TOKEN <= type(uint40).max;
    }

    // --- counting -------------------------------------------------------------------------------------------------

    /// @notice True if these signatures over `digest` are valid, ascending, and of more than two thirds of the stake.
    function quorumValid(bytes32 digest, bytes calldata signatures) external view returns (bool) {
        (Fault fault,, uint256 weight,) = _weigh(digest, signatures);
        return fault == Fault.None && 3 * weight > 2 * _stakeNow(_set);
    }

    /// @dev Refuses signatures of two thirds of the stake or less, and returns the signers' owner accounts.
    function _requireQuorum(bytes32 digest, bytes calldata signatures, Set memory set)
        internal
        view
        returns (address[] memory)
    {
        (Fault fault, uint256 detail, uint256 weight, address[] memory signers) = _weigh(digest, signatures);
        _refuse(fault, detail);
        uint256 total = _stakeNow(set);
        require(3 * weight > 2 * total, NoQuorum(weight * TOKEN, total * TOKEN));
        return signers;
    }

    /// @dev Refuses signatures of a third of the stake or less.
    function _requireThird(bytes32 digest, bytes calldata signatures) internal view {
        (Fault fault, uint256 detail, uint256 weight,) = _weigh(digest, signatures);
        _refuse(fault, detail);
        uint256 total = _stakeNow(_set);
        require(3 * weight > total, NotAThird(weight * TOKEN, total * TOKEN));
    }

    /// @dev Adds up what the signers hold, in whole tokens. `detail` is the faulty signature's index, or the number of
    /// signatures.
    function _weigh(bytes32 digest, bytes calldata signatures)
        private
        view
        returns (Fault fault, uint256 detail, uint256 weight, address[] memory signers)
    {
        uint256 count = signatures.length / SIGNATURE_BYTES;
        if (count * SIGNATURE_BYTES != signatures.length || count == 0 || count > MAX_VALIDATORS) {
            return (Fault.Length, count, 0, signers);
        }
        signers = new address[](count);
        uint256 epoch = currentEpoch();
        address previous = address(0);
        for (uint256 i = 0; i < count; ++i) {
            bytes calldata one = signatures[i * SIGNATURE_BYTES:(i + 1) * SIGNATURE_BYTES];
            (address signer, ECDSA.RecoverError wrong,) = ECDSA.tryRecoverCalldata(digest, one);
            if (wrong != ECDSA.RecoverError.NoError) return (Fault.Signature, i, 0, signers);
            if (signer <= previous) return (Fault.Order, i, 0, signers);
            Member memory member = _members[signer];
            if (!_counts(member, epoch)) return (Fault.Stranger, i, 0, signers);
            weight += member.stake;
            signers[i] = member.owner;
            previous = signer;
        }
    }

    function _refuse(Fault fault, uint256 detail) private pure {
        if (fault == Fault.None) return;
        require(fault != Fault.Length, WrongNumberOfSignatures(detail));
        require(fault != Fault.Signature, BadSignature(detail));
        require(fault != Fault.Order, SignersNotAscending(detail));
        revert UnknownSigner(detail);
    }

    function _counts(Member memory member, uint256 epoch) private pure returns (bool) {
        // A key nobody has bound ends at epoch 0.
        return member.from <= epoch && epoch < member.until;
    }

    // --- views ----------------------------------------------------------------------------------------------------

    /// @notice Number of the set of validators in force; it rises by one at a boundary at which something changed.
    function setId() external view returns (uint64) {
        return _idNow(_set);
    }

    /// @notice Stake of the set in force, base units.
    function totalStake() external view returns (uint256) {
        return _stakeNow(_set) * TOKEN;
    }

    /// @notice Stake of the set of any epoch up to the next one, base units.
    function totalStakeAt(uint256 epoch) external view returns (uint256) {
        return _stakeAt(epoch) * TOKEN;
    }

    /// @notice The signing key of a validator announced last, by its owner account.
    function keyOf(address owner) external view returns (address) {
        return _accounts[owner].key;
    }

    /// @notice The owner account this key is bound to, for ever; zero if to none.
    function validatorOf(address key) external view returns (address) {
        return _members[key].owner;
    }

    /// @notice What an owner account has locked as a stake, base units; 0 if nothing.
    function stakeOf(address owner) external view returns (uint256) {
        return _accounts[owner].stake * TOKEN;
    }

    /// @notice True if signatures with this key count in the epoch that runs now.
    function isMember(address key) external view returns (bool) {
        return _counts(_members[key], currentEpoch());
    }

    /// @notice Everything kept of a signing key.
    function memberOf(address key) public view returns (Member memory) {
        return _members[key];
    }

    /// @notice Everything kept of an owner account.
    function accountOf(address owner) public view returns (Account memory) {
        return _accounts[owner];
    }

    function _idNow(Set memory set) internal view returns (uint64) {
        return currentEpoch() >= set.effectiveEpoch ? set.nextId : set.nextId - 1;
    }

    function _stakeNow(Set memory set) internal view returns (uint256) {
        return currentEpoch() >= set.effectiveEpoch ? set.stakeNext : set.stakeNow;
    }

    function _stakeAt(uint256 epoch) internal view returns (uint256) {
        return _stakes.upperLookupRecent(uint48(epoch));
    }
}
