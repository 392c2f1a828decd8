// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ValidatorSet} from "./ValidatorSet.sol";

/// @title What evidence each validator holds, and who stopped saying so.
/// @notice The order of these posts closes an epoch. Signatures are checked off chain, by everybody alike.
abstract contract Manifests is ValidatorSet {
    /// @dev One bit an epoch: this validator has posted its manifest.
    mapping(address owner => mapping(uint256 word => uint256 bits)) private _posted;
    /// @dev Stake, in whole tokens, of the validators of an epoch's set that posted its manifest.
    mapping(uint256 epoch => uint256) private _postedStake;

    /// @notice A validator published what evidence it holds for an epoch. The order of these events closes the epoch.
    event ManifestPosted(uint64 indexed epoch, address indexed validator, bytes32 manifestHash, bytes[] signatures);

    /// @notice The sender is not the signing key of a validator, or not any more.
    error NotAValidator(address caller);
    /// @notice The epoch has not ended yet.
    error EpochNotOver(uint64 epoch, uint256 endsAt);
    /// @notice Manifests of this epoch were taken until `closedAt`.
    error EpochClosed(uint64 epoch, uint256 closedAt);
    /// @notice Epoch 0 is set-up and has no manifests.
    error NoManifestForSetUp();
    /// @notice This validator has posted its manifest of this epoch.
    error AlreadyPosted(uint64 epoch, address validator);
    /// @notice A signature is 65 bytes, r, s and v.
    error BadSignatureLength(uint256 index, uint256 length);
    /// @notice The validator was no member for the whole of the last seven epochs whose manifests should be there.
    error MemberForTooShort(address owner, uint256 firstEpoch);
    /// @notice The validator posted its manifest of this epoch.
    error StillPosting(address owner, uint256 epoch);
    /// @notice Only a third of the stake or less posted a manifest of this epoch: too few to judge the others by.
    error TooFewPosted(uint256 epoch, uint256 posted, uint256 total);

    /// @notice Publishes the hash of the sender's manifest of an ended epoch, once.
    /// @dev The signatures are checked off chain, by everybody alike: the first is the sender's own under
    /// Manifest(uint64 epoch,bytes32 manifestHash), the others are peers' under
    /// Available(uint64 epoch,address validator,bytes32 manifestHash). Nothing but the fact is stored.
    function postManifest(uint64 epoch, bytes32 manifestHash, bytes[] calldata signatures) external {
        Member memory member = memberOf(msg.sender);
        _checkPoster(member);
        require(epoch > 0, NoManifestForSetUp());
        uint256 end = _endOf(epoch);
        require(end <= block.timestamp, EpochNotOver(epoch, end));
        uint256 closedAt = end + CLOSING_EPOCHS * epochLength;
        require(block.timestamp < closedAt, EpochClosed(epoch, closedAt));
        require(
            signatures.length > 0 && signatures.length <= MAX_VALIDATORS, WrongNumberOfSignatures(signatures.length)
        );
        for (uint256 i = 0; i < signatures.length; ++i) {
            require(signatures[i].length == SIGNATURE_BYTES, BadSignatureLength(i, signatures[i].length));
        }
        uint256 bit = 1 << (epoch & 0xFF);
        uint256 bits = _posted[member.owner][epoch >> 8];
        require(bits & bit == 0, AlreadyPosted(epoch, member.owner));
        _posted[member.owner][epoch >> 8] = bits | bit;
        if (_wasMember(member, epoch)) _postedStake[epoch] += member.stake;
        emit ManifestPosted(epoch, member.owner, manifestHash, signatures);
    }

    /// @dev The key in force and the key announced last may post, so that a validator can also hand in what it owes
    /// after it changed its key or left. A key that was replaced may not: whoever finds it could spoil the true post.
    function _checkPoster(Member memory member) private view {
        bool valid = member.owner != address(0)
            && (currentEpoch() < member.until || accountOf(member.owner).key == msg.sender);
        require(valid, NotAValidator(msg.sender));
    }

    /// @dev True if the owner of this key belonged to the set of an ended epoch with this stake.
    function _wasMember(Member memory member, uint256 epoch) private view returns (bool) {
        return accountOf(member.owner).since <= epoch && epoch < member.until;
    }

    /// @notice True if this validator has posted its manifest of this epoch.
    function hasPosted(uint64 epoch, address owner) public view returns (bool) {
        return (_posted[owner][epoch >> 8] >> (epoch & 0xFF)) & 1 == 1;
    }

    /// @notice Stake of an epoch's set whose manifests were posted, base units.
    function postedStake(uint256 epoch) external view returns (uint256) {
        return _postedStake[epoch] * TOKEN;
    }

    /// @notice Takes a validator out of the set that posted none of the last seven manifests that should be there,
    /// while more than a third of the stake posted each of them. Anyone may. Its stake is not touched, and it may join
    /// again at once.
    function suspend(address owner) external {
        require(_isStaying(accountOf(owner).key), NotAMember(owner));
        uint256 last = lastDue();
        uint256 since = accountOf(owner).since;
        // Epoch 0 has no manifests.
        require(last >= CLOSING_EPOCHS && since + CLOSING_EPOCHS <= last + 1, MemberForTooShort(owner, since));
        for (uint256 epoch = last + 1 - CLOSING_EPOCHS; epoch <= last; ++epoch) {
            require(!hasPosted(uint64(epoch), owner), StillPosting(owner, epoch));
            (uint256 posted, uint256 total) = (_postedStake[epoch], _stakeAt(epoch));
            require(3 * posted > total, TooFewPosted(epoch, posted * TOKEN, total * TOKEN));
        }
        _end(owner, Why.Suspended);
    }

    /// @notice The newest epoch whose manifests should be there: D has passed since its end. 0 before the first.
    function lastDue() public view returns (uint256) {
        uint256 epoch = _epochAt(block.timestamp - closeAfter);
        return epoch == 0 ? 0 : epoch - 1;
    }
}
