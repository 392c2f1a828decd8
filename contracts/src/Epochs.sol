// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Clock} from "./Clock.sol";
import {Emission} from "./Emission.sol";
import {Faults} from "./Faults.sol";
import {FarfieldToken} from "./FarfieldToken.sol";
import {Hotspots} from "./Hotspots.sol";
// For slither, which looks for a struct where it is used.
import {Roots} from "./Roots.sol";
import {ValidatorSet} from "./ValidatorSet.sol";

/// @title Validators, manifests, roots, claims and emission.
/// @notice Anyone may claim from the live root, and only the payee is paid. Nobody owns this contract: what a root may
/// grant is bounded by the emission schedule, which cannot change. What the parts it is made of do is said there:
/// Clock, ValidatorSet, Manifests, Emission, Roots, Faults.
contract Epochs is Faults {
    /// @notice The network's clock, its emission and its other contracts.
    struct Config {
        FarfieldToken token;
        Hotspots hotspots;
        /// The account that carries out what holders voted for.
        address timelock;
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
        /// How many epochs a stake stays locked after its last one in the set; at least 8.
        uint64 unbondingEpochs;
        /// How long the first stakes stay locked after genesis, seconds.
        uint64 founderLock;
    }

    /// @notice One line of `claimMany`.
    struct Claim {
        uint256 id;
        uint256 cumulative;
        bytes32[] proof;
    }

    uint256 private constant HOTSPOT_BIT = 1 << 255;

    Hotspots public immutable hotspots;

    /// @notice Covers the parameter file, the rulebook and, through the file, every listed baseline.
    bytes32 public paramsHash;

    /// @notice What an id has been paid so far, base units.
    mapping(uint256 id => uint256) public claimed;

    /// @notice `amount` was minted for `id`, by the root of `epoch`. A hotspot's payee is the Hotspots contract, which
    /// holds it for the owners of its shares.
    event Claimed(uint256 indexed id, address indexed payee, uint256 amount, uint64 epoch);
    /// @notice The parameters of this hash hold, from the first epoch on whose B_e follows.
    event ParamsSet(bytes32 paramsHash);

    /// @notice An id is an account (below 2**160, not 0) or a hotspot (bit 255 set).
    error NotAnId(uint256 id);
    /// @notice This id has been paid everything the leaf grants.
    error NothingToClaim(uint256 id, uint256 cumulative);
    /// @notice The live root's leaves come to more than its total.
    error AboveTotal(uint256 claimed, uint128 cumTotal);

    /// @param config_ The network's clock, emission and contracts; the sum of the windows must be shorter than an epoch.
    /// @param paramsHash_ Hash over the parameters the network starts with.
    /// @param validators The first set, number 1. Their stakes are locked in the token already.
    constructor(Config memory config_, bytes32 paramsHash_, Validator[] memory validators)
        EIP712("Farfield", "1")
        Clock(
            config_.genesis,
            config_.epochLength,
            config_.closeAfter,
            config_.finality,
            config_.challengeWindow
        )
        Emission(config_.firstEmission, config_.halvingEpochs)
        ValidatorSet(
            config_.token,
            config_.timelock,
            config_.unbondingEpochs,
            config_.founderLock,
            validators
        )
    {
        Hotspots registry = config_.hotspots;
        require(
            address(registry).code.length > 0 && registry.epochs() == address(this)
                && address(registry.token()) == address(config_.token) && registry.timelock() == config_.timelock,
            WrongContract(address(registry))
        );
        hotspots = registry;
        paramsHash = paramsHash_;
        emit ParamsSet(paramsHash_);
    }

    /// @notice Sets the hash of the parameters validators judge by. Only the Timelock may, after a vote.
    function setParamsHash(bytes32 paramsHash_) external onlyTimelock {
        paramsHash = paramsHash_;
        emit ParamsSet(paramsHash_);
    }

    // --- claims ---------------------------------------------------------------------------------------------------

    /// @notice Mints what the live root grants an id beyond what it has been paid. Anyone may send this.
    /// @param id An account, or a hotspot's id.
    /// @param cumulative The leaf's amount: everything the id has earned so far.
    /// @param proof Siblings from the leaf up.
    function claim(uint256 id, uint256 cumulative, bytes32[] calldata proof) external {
        uint256 amount = _claim(_payable(), id, cumulative, proof);
        require(amount > 0, NothingToClaim(id, cumulative));
    }

    /// @notice Many claims at once. Those that have been paid already are passed over; a wrong proof refuses them all.
    function claimMany(Claim[] calldata claims) external {
        Root memory root = _payable();
        for (uint256 i = 0; i < claims.length; ++i) {
            Claim calldata one = claims[i];
            _claim(root, one.id, one.cumulative, one.proof);
        }
    }

    /// @notice What has been paid in all, base units: everything the token minted since genesis, for only claims mint.
    function totalClaimed() public view returns (uint256) {
        return token.minted();
    }

    /// @dev The live root, unless claims are stopped.
    function _payable() private view returns (Root memory) {
        uint256 until = _set.pausedUntil;
        require(block.timestamp >= until, IsPaused(until));
        return live();
    }

    /// @dev Pays one leaf and returns the amount, 0 if there is nothing left of it. Token and registry are ours and
    /// call nobody back.
    function _claim(Root memory root, uint256 id, uint256 cumulative, bytes32[] calldata proof)
        private
        returns (uint256 amount)
    {
        _requireLeaf(root.root, id, cumulative, proof);
        require(cumulative <= root.cumTotal, AboveTotal(cumulative, root.cumTotal));
        uint256 before = claimed[id];
        if (cumulative <= before) return 0;
        amount = cumulative - before;
        bool hotspot = id & HOTSPOT_BIT != 0;
        require(hotspot || (id > 0 && id <= type(uint160).max), NotAnId(id));
        address payee = hotspot ? address(hotspots) : address(uint160(id));
        claimed[id] = cumulative;
        emit Claimed(id, payee, amount, root.epoch);
        uint256 paid = token.mint(payee, amount);
        require(paid <= root.cumTotal, AboveTotal(paid, root.cumTotal));
        if (hotspot) hotspots.deposit(id, amount);
    }

    // --- views ----------------------------------------------------------------------------------------------------

    /// @notice The network's clock, emission and contracts, in one call.
    function config() external view returns (Config memory) {
        return Config({
            token: token,
            hotspots: hotspots,
            timelock: timelock,
            genesis: genesis,
            epochLength: epochLength,
            closeAfter: closeAfter,
            finality: finality,
            challengeWindow: challengeWindow,
            firstEmission: firstEmission,
            halvingEpochs: halvingEpochs,
            unbondingEpochs: unbondingEpochs,
            founderLock: founderLock
        });
    }
}
