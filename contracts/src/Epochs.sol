// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {FarfieldToken} from "./FarfieldToken.sol";
import {Hotspots} from "./Hotspots.sol";

/// @title Validators, manifests, roots, claims and emission.
/// @notice Once an epoch, validators with more than two thirds of the stake sign one Merkle root of everything earned so
/// far. Anyone brings it here; after the challenge window anyone may claim from it, and only the payee is paid. Nobody
/// owns this contract: what a root may grant is bounded by the emission schedule, which cannot change.
contract Epochs is EIP712 {
    /// @notice The network's clock, its emission and its two other contracts.
    struct Config {
        FarfieldToken token;
        Hotspots hotspots;
        /// Start of epoch 0, unix seconds.
        uint64 genesis;
        /// L, seconds.
        uint64 epochLength;
        /// D, seconds after an epoch's end at which manifests close at the earliest.
        uint64 closeAfter;
        /// How far the chain's final block lies behind, seconds.
        uint64 finality;
        /// How long an accepted root waits before claims may use it, seconds.
        uint64 challengeWindow;
        /// E0, base units minted for epoch 0 at most.
        uint128 firstEmission;
        /// H: emission halves every so many epochs.
        uint64 halvingEpochs;
    }

    /// @notice A validator: `owner` holds the stake, `key` signs.
    struct Validator {
        address owner;
        address key;
        uint128 stake;
    }

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

    /// @notice One line of `claimMany`.
    struct Claim {
        uint256 id;
        uint256 cumulative;
        bytes32[] proof;
    }

    /// @dev Owner and stake share one storage slot: a signature costs one cold read.
    struct Member {
        address owner;
        uint96 stake;
    }

    enum Fault {
        None,
        Length,
        Signature,
        Order,
        Stranger,
        Weight
    }

    uint256 private constant MAX_VALIDATORS = 64;
    uint256 private constant SIGNATURE_BYTES = 65;
    /// @dev An epoch that has not closed this many epochs after its end never closes.
    uint256 private constant CLOSING_EPOCHS = 7;
    uint256 private constant MAX_EPOCH_LENGTH = 365 days;
    uint256 private constant HOTSPOT_BIT = 1 << 255;
    bytes32 private constant EPOCH_ROOT_TYPEHASH =
        keccak256("EpochRoot(uint64 epoch,uint64 setId,bytes32 root,bytes32 dataHash,uint128 cumTotal)");

    FarfieldToken public immutable token;
    Hotspots public immutable hotspots;
    uint64 public immutable genesis;
    uint64 public immutable epochLength;
    uint64 public immutable closeAfter;
    uint64 public immutable finality;
    uint64 public immutable challengeWindow;
    uint128 public immutable firstEmission;
    uint64 public immutable halvingEpochs;

    /// @notice Covers the parameter file, the rulebook and, through the file, every listed baseline.
    bytes32 public paramsHash;

    /// @notice Stake of all validators, base units.
    uint128 public totalStake;
    /// @notice Number of the set of validators in force; every change of the set raises it.
    uint64 public setId;

    /// @notice The signing key of a validator, by its owner account.
    mapping(address owner => address key) public keyOf;
    mapping(address key => Member) private _members;
    /// @dev One bit an epoch: this validator has posted its manifest.
    mapping(address owner => mapping(uint256 word => uint256 bits)) private _posted;

    /// @dev The two roots accepted last. The newer waits for its window while the older is live; the next root
    /// overwrites the one that is no longer needed, so nothing is ever copied.
    Root[2] private _roots;

    /// @notice What an id has been paid so far, base units.
    mapping(uint256 id => uint256) public claimed;

    /// @notice A validator is a member of set `setId`, from epoch `effectiveEpoch` on.
    event ValidatorJoined(
        address indexed owner, address indexed key, uint128 stake, uint64 effectiveEpoch, uint64 setId
    );
    /// @notice A validator published what evidence it holds for an epoch. The order of these events closes the epoch.
    event ManifestPosted(uint64 indexed epoch, address indexed validator, bytes32 manifestHash, bytes[] signatures);
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
    /// @notice `amount` was minted for `id`, by the root of `epoch`.
    event Claimed(uint256 indexed id, address indexed payee, uint256 amount, uint64 epoch);

    /// @notice D + finality + challenge window do not fit into an epoch, or the epoch's length is not sensible.
    error WindowsDoNotFit(uint256 windows, uint256 epochLength);
    /// @notice Emission must be positive.
    error NoEmission();
    /// @notice The token or the registry at this address is not the one of this network.
    error WrongContract(address contractAddress);
    /// @notice A network starts with 1 to 64 validators.
    error WrongNumberOfValidators(uint256 count);
    /// @notice A validator needs an owner, a key and a stake, all its own, and the stake locked in the token.
    error BadValidator(address owner, address key, uint128 stake);
    /// @notice The sender is not the signing key of a validator.
    error NotAValidator(address caller);
    /// @notice The epoch has not ended yet.
    error EpochNotOver(uint64 epoch, uint256 endsAt);
    /// @notice Manifests of this epoch were taken until `closedAt`.
    error EpochClosed(uint64 epoch, uint256 closedAt);
    /// @notice Epoch 0 is set-up and has no manifests.
    error NoManifestForSetUp();
    /// @notice This validator has posted its manifest of this epoch.
    error AlreadyPosted(uint64 epoch, address validator);
    /// @notice There must be 1 to 64 signatures.
    error WrongNumberOfSignatures(uint256 count);
    /// @notice A signature is 65 bytes, r, s and v.
    error BadSignatureLength(uint256 index, uint256 length);
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
    /// @notice A signature is not valid: wrong v, high s, or no account fits it.
    error BadSignature(uint256 index);
    /// @notice Signers must come in ascending order of their addresses, each once.
    error SignersNotAscending(uint256 index);
    /// @notice A signature is not one of a validator.
    error UnknownSigner(uint256 index);
    /// @notice The signers do not hold more than two thirds of the stake.
    error NoQuorum(uint256 signed, uint256 total);
    /// @notice An id is an account (below 2**160, not 0) or a hotspot (bit 255 set).
    error NotAnId(uint256 id);
    /// @notice The hotspot of this id is not registered.
    error NotRegistered(uint256 id);
    /// @notice The live root has no such leaf.
    error BadProof(uint256 id);
    /// @notice This id has been paid everything the leaf grants.
    error NothingToClaim(uint256 id, uint256 cumulative);
    /// @notice The live root's leaves come to more than its total.
    error AboveTotal(uint256 claimed, uint128 cumTotal);

    /// @param config_ The network's clock, emission and contracts; the sum of the windows must be shorter than an epoch.
    /// @param paramsHash_ Hash over the parameters the network starts with.
    /// @param validators The first set, number 1. Their stakes are locked in the token already.
    constructor(Config memory config_, bytes32 paramsHash_, Validator[] memory validators) EIP712("Farfield", "1") {
        uint256 windows = uint256(config_.closeAfter) + config_.finality + config_.challengeWindow;
        require(
            windows < config_.epochLength && config_.epochLength <= MAX_EPOCH_LENGTH,
            WindowsDoNotFit(windows, config_.epochLength)
        );
        require(config_.firstEmission > 0 && config_.halvingEpochs > 0, NoEmission());
        require(
            address(config_.token).code.length > 0 && config_.token.epochs() == address(this),
            WrongContract(address(config_.token))
        );
        require(address(config_.hotspots).code.length > 0, WrongContract(address(config_.hotspots)));
        token = config_.token;
        hotspots = config_.hotspots;
        genesis = config_.genesis;
        epochLength = config_.epochLength;
        closeAfter = config_.closeAfter;
        finality = config_.finality;
        challengeWindow = config_.challengeWindow;
        firstEmission = config_.firstEmission;
        halvingEpochs = config_.halvingEpochs;
        paramsHash = paramsHash_;
        _joinFirst(config_.token, validators);
    }

    function _joinFirst(FarfieldToken token_, Validator[] memory validators) private {
        uint256 count = validators.length;
        require(count > 0 && count <= MAX_VALIDATORS, WrongNumberOfValidators(count));
        uint128 total = 0;
        for (uint256 i = 0; i < count; ++i) {
            Validator memory v = validators[i];
            bool fresh = keyOf[v.owner] == address(0) && _members[v.key].owner == address(0);
            bool complete = v.owner != address(0) && v.key != address(0) && v.stake > 0;
            require(
                fresh && complete && v.stake <= type(uint96).max && token_.lockedOf(v.owner) == v.stake,
                BadValidator(v.owner, v.key, v.stake)
            );
            keyOf[v.owner] = v.key;
            _members[v.key] = Member(v.owner, uint96(v.stake));
            total += v.stake;
            emit ValidatorJoined(v.owner, v.key, v.stake, 0, 1);
        }
        totalStake = total;
        setId = 1;
    }

    // --- manifests ---------------------------------------------------------------------------------------------

    /// @notice Publishes the hash of the sender's manifest of an ended epoch, once.
    /// @dev The signatures are checked off chain, by everybody alike: the first is the sender's own under
    /// Manifest(uint64 epoch,bytes32 manifestHash), the others are peers' under
    /// Available(uint64 epoch,address validator,bytes32 manifestHash). Nothing but the fact is stored.
    function postManifest(uint64 epoch, bytes32 manifestHash, bytes[] calldata signatures) external {
        address owner = _members[msg.sender].owner;
        require(owner != address(0), NotAValidator(msg.sender));
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
        uint256 bits = _posted[owner][epoch >> 8];
        require(bits & bit == 0, AlreadyPosted(epoch, owner));
        _posted[owner][epoch >> 8] = bits | bit;
        emit ManifestPosted(epoch, owner, manifestHash, signatures);
    }

    /// @notice True if this validator has posted its manifest of this epoch.
    function hasPosted(uint64 epoch, address owner) external view returns (bool) {
        return (_posted[owner][epoch >> 8] >> (epoch & 0xFF)) & 1 == 1;
    }

    // --- roots -------------------------------------------------------------------------------------------------

    /// @notice Brings the signed root of an ended epoch. Anyone may; only the signatures count.
    /// @param r What was signed.
    /// @param signatures 65 bytes (r, s, v) each, ascending by signer.
    function submitRoot(EpochRoot calldata r, bytes calldata signatures) external {
        // Everything cheap comes before the first recovery, so that a late copy costs its sender little.
        uint256 end = _endOf(r.epoch);
        require(end <= block.timestamp, EpochNotOver(r.epoch, end));
        require(r.setId == setId, WrongSet(r.setId, setId));
        uint256 newest = _newest();
        Root storage last = _roots[newest];
        require(r.epoch > last.epoch, EpochNotNew(r.epoch, last.epoch));
        require(block.timestamp >= last.activeAt, RootPending(last.epoch, last.activeAt));
        require(r.cumTotal >= last.cumTotal, TotalFell(r.cumTotal, last.cumTotal));
        uint256 emitted = emittedThrough(r.epoch);
        require(r.cumTotal <= emitted, AboveEmission(r.cumTotal, emitted));

        (Fault fault, uint256 detail, address[] memory signers) = _tally(rootDigest(r), signatures);
        _refuse(fault, detail);

        uint64 activeAt = uint64(block.timestamp) + challengeWindow;
        _roots[1 - newest] = Root(r.root, r.cumTotal, r.epoch, activeAt);
        emit RootSubmitted(r.epoch, r.setId, r.root, r.dataHash, r.cumTotal, activeAt, signers);
    }

    /// @notice The EIP-712 digest validators sign for a root.
    function rootDigest(EpochRoot calldata r) public view returns (bytes32) {
        return
            _hashTypedDataV4(
                keccak256(abi.encode(EPOCH_ROOT_TYPEHASH, r.epoch, r.setId, r.root, r.dataHash, r.cumTotal))
            );
    }

    /// @notice True if these signatures over `digest` are valid, ascending, and of more than two thirds of the stake.
    function quorumValid(bytes32 digest, bytes calldata signatures) external view returns (bool) {
        (Fault fault,,) = _tally(digest, signatures);
        return fault == Fault.None;
    }

    /// @notice The root claims use now; all zero before the first.
    function live() public view returns (Root memory) {
        uint256 newest = _newest();
        return block.timestamp >= _roots[newest].activeAt ? _roots[newest] : _roots[1 - newest];
    }

    /// @notice The root that waits for its window; all zero if none does.
    function pending() external view returns (Root memory waiting) {
        uint256 newest = _newest();
        if (block.timestamp < _roots[newest].activeAt) waiting = _roots[newest];
    }

    function _newest() private view returns (uint256) {
        return _roots[1].epoch > _roots[0].epoch ? 1 : 0;
    }

    /// @dev Adds up what the signers hold. `detail` is the faulty signature's index, the signatures'
    /// length, or the weight that is too small.
    function _tally(bytes32 digest, bytes calldata signatures)
        private
        view
        returns (Fault fault, uint256 detail, address[] memory signers)
    {
        uint256 count = signatures.length / SIGNATURE_BYTES;
        if (count * SIGNATURE_BYTES != signatures.length || count == 0 || count > MAX_VALIDATORS) {
            return (Fault.Length, signatures.length, signers);
        }
        signers = new address[](count);
        uint256 weight = 0;
        address previous = address(0);
        for (uint256 i = 0; i < count; ++i) {
            bytes calldata one = signatures[i * SIGNATURE_BYTES:(i + 1) * SIGNATURE_BYTES];
            (address signer, ECDSA.RecoverError wrong,) = ECDSA.tryRecoverCalldata(digest, one);
            if (wrong != ECDSA.RecoverError.NoError) return (Fault.Signature, i, signers);
            if (signer <= previous) return (Fault.Order, i, signers);
            Member memory member = _members[signer];
            if (member.owner == address(0)) return (Fault.Stranger, i, signers);
            weight += member.stake;
            signers[i] = member.owner;
            previous = signer;
        }
        if (3 * weight <= 2 * uint256(totalStake)) return (Fault.Weight, weight, signers);
    }

    function _refuse(Fault fault, uint256 detail) private view {
        if (fault == Fault.None) return;
        require(fault != Fault.Length, WrongNumberOfSignatures(detail / SIGNATURE_BYTES));
        require(fault != Fault.Signature, BadSignature(detail));
        require(fault != Fault.Order, SignersNotAscending(detail));
        require(fault != Fault.Stranger, UnknownSigner(detail));
        revert NoQuorum(detail, totalStake);
    }

    // --- claims ------------------------------------------------------------------------------------------------

    /// @notice Mints what the live root grants an id beyond what it has been paid. Anyone may send this.
    /// @param id An account, or a hotspot's id.
    /// @param cumulative The leaf's amount: everything the id has earned so far.
    /// @param proof Siblings from the leaf up.
    function claim(uint256 id, uint256 cumulative, bytes32[] calldata proof) external {
        uint256 amount = _claim(live(), id, cumulative, proof);
        require(amount > 0, NothingToClaim(id, cumulative));
    }

    /// @notice Many claims at once. Those that have been paid already are passed over; a wrong proof refuses them all.
    function claimMany(Claim[] calldata claims) external {
        Root memory root = live();
        for (uint256 i = 0; i < claims.length; ++i) {
            Claim calldata one = claims[i];
            _claim(root, one.id, one.cumulative, one.proof);
        }
    }

    /// @notice What has been paid in all, base units: everything the token minted since genesis, for only claims mint.
    function totalClaimed() public view returns (uint256) {
        return token.minted();
    }

    /// @dev Pays one leaf and returns the amount, 0 if there is nothing left of it. The token calls nobody back.
    function _claim(Root memory root, uint256 id, uint256 cumulative, bytes32[] calldata proof)
        private
        returns (uint256 amount)
    {
        bytes32 leaf = keccak256(abi.encode(Hashes.efficientKeccak256(bytes32(id), bytes32(cumulative))));
        require(MerkleProof.verifyCalldata(proof, root.root, leaf), BadProof(id));
        require(cumulative <= root.cumTotal, AboveTotal(cumulative, root.cumTotal));
        uint256 before = claimed[id];
        if (cumulative <= before) return 0;
        amount = cumulative - before;
        address payee = _payeeOf(id);
        claimed[id] = cumulative;
        emit Claimed(id, payee, amount, root.epoch);
        uint256 paid = token.mint(payee, amount);
        require(paid <= root.cumTotal, AboveTotal(paid, root.cumTotal));
    }

    /// @dev Accounts are paid themselves; a hotspot's income goes to the account it belongs to.
    function _payeeOf(uint256 id) private view returns (address payee) {
        if (id & HOTSPOT_BIT != 0) {
            payee = hotspots.operatorOf(id);
            require(payee != address(0), NotRegistered(id));
        } else {
            require(id > 0 && id <= type(uint160).max, NotAnId(id));
            payee = address(uint160(id));
        }
    }

    // --- clock, emission, validators ----------------------------------------------------------------------------

    /// @notice Base units emitted for one epoch: E0 >> (epoch / H).
    function emission(uint64 epoch) public view returns (uint256) {
        uint256 halvings = epoch / halvingEpochs;
        return halvings > type(uint8).max ? 0 : uint256(firstEmission) >> halvings;
    }

    /// @notice Base units emitted for epochs 0 to `epoch` together, this one included.
    function emittedThrough(uint64 epoch) public view returns (uint256 sum) {
        uint256 epochs = uint256(epoch) + 1;
        uint256 rate = firstEmission;
        // At most 128 rounds: the rate is 128 bits wide and halves in each.
        while (rate > 0 && epochs > 0) {
            uint256 atThisRate = epochs < halvingEpochs ? epochs : halvingEpochs;
            sum += rate * atThisRate;
            epochs -= atThisRate;
            rate >>= 1;
        }
    }

    /// @notice The network's clock, emission and contracts, in one call.
    function config() external view returns (Config memory) {
        return Config({
            token: token,
            hotspots: hotspots,
            genesis: genesis,
            epochLength: epochLength,
            closeAfter: closeAfter,
            finality: finality,
            challengeWindow: challengeWindow,
            firstEmission: firstEmission,
            halvingEpochs: halvingEpochs
        });
    }

    /// @notice The owner account of the validator that signs with `key`; zero if none does.
    function validatorOf(address key) external view returns (address) {
        return _members[key].owner;
    }

    /// @notice The stake of the validator of this owner account, base units; 0 if it is none.
    function stakeOf(address owner) external view returns (uint256) {
        return _members[keyOf[owner]].stake;
    }

    function _endOf(uint64 epoch) private view returns (uint256) {
        return genesis + (uint256(epoch) + 1) * epochLength;
    }
}
