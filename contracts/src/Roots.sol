// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Emission} from "./Emission.sol";
import {Manifests} from "./Manifests.sol";

/// @title The signed roots, and what can stop one.
/// @notice Once an epoch, validators with more than two thirds of the stake sign one Merkle root of everything earned so
/// far. Before it is live it waits for the challenge window, and only then can it be dropped: by validators with more
/// than a third of the stake, by the proof that somebody's amount fell, or by the holders' vote.
abstract contract Roots is Emission, Manifests {
    /// @notice What validators sign for an epoch.
    struct EpochRoot {
        uint64 epoch;
        /// The set of validators that signs.
        uint64 setId;
        /// Merkle root over (id, cumulative) leaves, OpenZeppelin's StandardMerkleTree.
        bytes32 root;
        /// SHA-256 of the epoch's summary: all inputs and results by hash.
        bytes32 dataHash;
        /// Sum of all leaves, base units.
        uint128 cumTotal;
    }

    /// @notice A root the contract accepted. Its dataHash is in the event.
    struct Root {
        bytes32 root;
        uint128 cumTotal;
        uint64 epoch;
        /// From this second on claims may use it.
        uint64 activeAt;
    }

    enum Cancelled {
        Vetoed,
        Proof,
        Governance
    }

    /// @dev `activeAt` of a root that was dropped while it waited: its epoch is closed and it never becomes live.
    uint64 private constant NEVER = type(uint64).max;
    uint256 private constant PAUSE = 7 days;
    uint256 private constant BETWEEN_PAUSES = 30 days;
    bytes32 private constant EPOCH_ROOT_TYPEHASH =
        keccak256("EpochRoot(uint64 epoch,uint64 setId,bytes32 root,bytes32 dataHash,uint128 cumTotal)");
    bytes32 private constant VETO_TYPEHASH = keccak256("Veto(uint64 epoch,uint64 setId,bytes32 root)");
    bytes32 private constant PAUSE_TYPEHASH = keccak256("Pause(uint64 setId,uint64 number)");

    /// @dev The two roots accepted last. The newer waits for its window while the older is live; the next root
    /// overwrites the one that is no longer needed, so nothing is ever copied.
    Root[2] private _roots;

    /// @notice How many pauses there have been.
    uint64 public pauses;

    /// @notice A root was accepted; `signers` are the owner accounts of those who signed it.
    event RootSubmitted(
        uint64 indexed epoch,
        uint64 setId,
        bytes32 root,
        bytes32 dataHash,
        uint128 cumTotal,
        uint64 activeAt,
        address[] signers
    );
    /// @notice A waiting root was dropped: 0 by a veto, 1 by a proof, 2 by the holders' vote. Its epoch is closed.
    event RootCancelled(uint64 indexed epoch, bytes32 root, Cancelled why);
    /// @notice Roots and claims stop until this second.
    event Paused(uint256 until);

    /// @notice A root of this epoch or a later one was accepted before.
    error EpochNotNew(uint64 epoch, uint64 lastEpoch);
    /// @notice The signatures are those of another set of validators.
    error WrongSet(uint64 setId, uint64 current);
    /// @notice The last root is still in its challenge window.
    error RootPending(uint64 epoch, uint64 activeAt);
    /// @notice Amounts are cumulative: the total cannot fall.
    error TotalFell(uint128 cumTotal, uint128 before);
    /// @notice The total is above everything emitted up to this epoch.
    error AboveEmission(uint128 cumTotal, uint256 emitted);
    /// @notice No such root waits for its window.
    error NotPending(uint64 epoch, bytes32 root);
    /// @notice The root has no such leaf.
    error BadProof(uint256 id);
    /// @notice The waiting root grants this id no less than the live one.
    error DidNotFall(uint256 id, uint256 live, uint256 pending);
    /// @notice More than a third of the stake stopped roots and claims until this second.
    error IsPaused(uint256 until);
    /// @notice The next pause may not begin before this second.
    error PauseTooSoon(uint256 notBefore);

    // --- accepting ------------------------------------------------------------------------------------------------

    /// @notice Brings the signed root of an ended epoch. Anyone may; only the signatures count.
    /// @param r What was signed.
    /// @param signatures 65 bytes (r, s, v) each, ascending by signer.
    function submitRoot(EpochRoot calldata r, bytes calldata signatures) external {
        // Everything cheap comes before the first recovery, so that a late copy costs its sender little.
        Set memory set = _set;
        require(block.timestamp >= set.pausedUntil, IsPaused(set.pausedUntil));
        uint256 end = _endOf(r.epoch);
        require(end <= block.timestamp, EpochNotOver(r.epoch, end));
        require(r.setId == _idNow(set), WrongSet(r.setId, _idNow(set)));
        uint256 slot = _checkOrder(r);
        uint256 emitted = emittedThrough(r.epoch);
        require(r.cumTotal <= emitted, AboveEmission(r.cumTotal, emitted));

        address[] memory signers = _requireQuorum(rootDigest(r), signatures, set);
        uint64 activeAt = uint64(block.timestamp) + challengeWindow;
        _roots[slot] = Root(r.root, r.cumTotal, r.epoch, activeAt);
        emit RootSubmitted(r.epoch, r.setId, r.root, r.dataHash, r.cumTotal, activeAt, signers);
    }

    /// @dev Refuses a root that does not follow on the last, and says in which place to keep it: that of a root that
    /// was dropped, or else that of the older one.
    function _checkOrder(EpochRoot calldata r) private view returns (uint256 slot) {
        uint256 newest = _newest();
        Root storage last = _roots[newest];
        (uint64 epoch, uint64 activeAt, uint128 before) = (last.epoch, last.activeAt, last.cumTotal);
        require(r.epoch > epoch, EpochNotNew(r.epoch, epoch));
        slot = 1 - newest;
        if (activeAt == NEVER) (slot, before) = (newest, _roots[slot].cumTotal);
        else require(block.timestamp >= activeAt, RootPending(epoch, activeAt));
        require(r.cumTotal >= before, TotalFell(r.cumTotal, before));
    }

    /// @notice The EIP-712 digest validators sign for a root.
    function rootDigest(EpochRoot calldata r) public view returns (bytes32) {
        return
            _hashTypedDataV4(
                keccak256(abi.encode(EPOCH_ROOT_TYPEHASH, r.epoch, r.setId, r.root, r.dataHash, r.cumTotal))
            );
    }

    /// @notice The root claims use now; all zero before the first.
    function live() public view returns (Root memory) {
        uint256 newest = _newest();
        return block.timestamp >= _roots[newest].activeAt ? _roots[newest] : _roots[1 - newest];
    }

    /// @notice The root that waits for its window; all zero if none does.
    function pending() public view returns (Root memory waiting) {
        Root storage newest = _roots[_newest()];
        if (block.timestamp < newest.activeAt && newest.activeAt != NEVER) waiting = newest;
    }

    /// @notice No root of this epoch or an earlier one is accepted any more.
    function lastEpoch() external view returns (uint64) {
        return _roots[_newest()].epoch;
    }

    function _newest() private view returns (uint256) {
        return _roots[1].epoch > _roots[0].epoch ? 1 : 0;
    }

    // --- dropping -------------------------------------------------------------------------------------------------

    /// @notice Drops a waiting root against which validators with more than a third of the stake signed. Anyone may
    /// bring their signatures.
    function veto(uint64 epoch, bytes32 root, bytes calldata signatures) external {
        _requirePending(epoch, root);
        _requireThird(vetoDigest(epoch, root), signatures);
        _cancel(Cancelled.Vetoed);
    }

    /// @notice The EIP-712 digest validators of the present set sign to drop a root.
    function vetoDigest(uint64 epoch, bytes32 root) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(VETO_TYPEHASH, epoch, _idNow(_set), root)));
    }

    /// @notice Drops a waiting root that grants an id less than the live one: amounts are cumulative. Anyone may.
    function cancelByProof(
        uint256 id,
        uint256 liveCumulative,
        bytes32[] calldata liveProof,
        uint256 pendingCumulative,
        bytes32[] calldata pendingProof
    ) external {
        Root memory waiting = pending();
        require(waiting.epoch > 0, NotPending(0, 0));
        require(pendingCumulative < liveCumulative, DidNotFall(id, liveCumulative, pendingCumulative));
        _requireLeaf(live().root, id, liveCumulative, liveProof);
        _requireLeaf(waiting.root, id, pendingCumulative, pendingProof);
        _cancel(Cancelled.Proof);
    }

    /// @notice Drops the waiting root of this epoch. Only the Timelock may, after a vote.
    function cancelRoot(uint64 epoch) external onlyTimelock {
        _requirePending(epoch, pending().root);
        _cancel(Cancelled.Governance);
    }

    function _requirePending(uint64 epoch, bytes32 root) private view {
        Root memory waiting = pending();
        require(epoch > 0 && waiting.epoch == epoch && waiting.root == root, NotPending(epoch, root));
    }

    function _cancel(Cancelled why) private {
        Root storage dropped = _roots[_newest()];
        dropped.activeAt = NEVER;
        emit RootCancelled(dropped.epoch, dropped.root, why);
    }

    function _requireLeaf(bytes32 root, uint256 id, uint256 cumulative, bytes32[] calldata proof) internal pure {
        bytes32 leaf = keccak256(abi.encode(Hashes.efficientKeccak256(bytes32(id), bytes32(cumulative))));
        require(MerkleProof.verifyCalldata(proof, root, leaf), BadProof(id));
    }

    // --- pausing --------------------------------------------------------------------------------------------------

    /// @notice Stops roots and claims for seven days, if validators with more than a third of the stake signed for it.
    /// It ends by itself, and for thirty days after its end there is no other.
    function pause(bytes calldata signatures) external {
        uint256 until = _set.pausedUntil;
        uint256 notBefore = until == 0 ? 0 : until + BETWEEN_PAUSES;
        require(block.timestamp >= notBefore, PauseTooSoon(notBefore));
        _requireThird(pauseDigest(), signatures);
        ++pauses;
        until = block.timestamp + PAUSE;
        _set.pausedUntil = uint48(until);
        emit Paused(until);
    }

    /// @notice The EIP-712 digest validators of the present set sign for the next pause.
    function pauseDigest() public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(PAUSE_TYPEHASH, _idNow(_set), pauses + 1)));
    }

    /// @notice Roots and claims are stopped until this second; 0 if they never were.
    function pausedUntil() external view returns (uint256) {
        return _set.pausedUntil;
    }
}
