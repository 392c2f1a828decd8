// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC1155} from "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {FarfieldToken} from "./FarfieldToken.sol";
import {H3Cell} from "./H3Cell.sol";
import {Metadata} from "./Metadata.sol";

/// @title The registry of hotspots, and who owns which part of them.
/// @notice A hotspot is a device with a P-256 key. The device itself signs where it stands and whom it belongs to, and
/// this contract checks that signature: nobody vouches for a device, and nobody can register one for another owner.
/// Anyone may relay a registration and pay its gas; the fee is a debt, burned from what the hotspot earns first.
/// Each hotspot is 10,000 shares of an ERC-1155 id. Its income is spread over them as it comes in, so a sale between
/// two deposits pays the seller the first and the buyer the second, exactly.
contract Hotspots is ERC1155 {
    /// @notice What the chain knows of one hotspot.
    struct Info {
        /// The account that runs it, the last that held more than half of its shares; zero if it is not registered.
        address operator;
        /// 0 fixed, 1 mapper, 2 fixed Wi-Fi, 3 mapper Wi-Fi.
        uint8 kind;
        /// Antenna gain, 0.01 dBi.
        int16 gain;
        /// Antenna height above ground, metres.
        int16 elevation;
        /// Whether holders voted it out; a frozen hotspot earns nothing.
        bool frozen;
        /// H3 cell, resolution 9 to 12.
        uint64 cell;
        /// What is left of its registration fee, base units.
        uint128 debt;
    }

    /// @dev Everything one share ever earned, and what could not be divided by 10,000 yet.
    struct Income {
        uint240 perShare;
        uint16 rest;
    }

    /// @dev A holder's account with one hotspot: `perShare` up to which `owed` is reckoned.
    struct Holding {
        uint128 perShare;
        uint128 owed;
    }

    /// @notice Shares of every hotspot.
    uint256 public constant SHARES = 10_000;

    uint256 private constant HOTSPOT_BIT = 1 << 255;
    bytes32 private constant REGISTRATION = "farfield/registration";
    uint256 private constant MIN_RESOLUTION = 9;
    uint256 private constant MAX_RESOLUTION = 12;
    int16 private constant MIN_GAIN = -1000;
    int16 private constant MAX_GAIN = 1500;
    uint8 private constant MAX_KIND = 3;

    FarfieldToken public immutable token;
    /// @notice The only contract that deposits income.
    address public immutable epochs;
    /// @notice The only account that freezes: it carries out what holders voted for.
    address public immutable timelock;
    /// @notice A new hotspot's debt, base units.
    uint128 public immutable registrationFee;
    /// @notice What its operator burns to move a hotspot, base units.
    uint128 public immutable locationFee;

    mapping(uint256 id => Info) private _infos;
    mapping(uint256 id => Income) private _incomes;
    mapping(uint256 id => mapping(address holder => Holding)) private _holdings;

    /// @notice A hotspot exists from now on. `x` and `y` are its public key; they are not kept in storage.
    event Registered(
        uint256 indexed id,
        address indexed owner,
        uint64 cell,
        int16 gain,
        int16 elevation,
        uint8 kind,
        uint256 x,
        uint256 y
    );
    /// @notice The operator changed what is known of its place. Only if `moved` does the hotspot begin anew there.
    event Located(uint256 indexed id, uint64 cell, int16 gain, int16 elevation, bool moved);
    /// @notice Somebody else holds more than half of the shares now, and runs the hotspot.
    event OperatorChanged(uint256 indexed id, address indexed operator);
    /// @notice Holders voted a hotspot out, or in again; `reasonHash` names the published reason.
    event FrozenSet(uint256 indexed id, bool frozen, bytes32 reasonHash);
    /// @notice `amount` came in; `fee` of it was burned for the registration and the rest is the holders'.
    event Deposited(uint256 indexed id, uint256 amount, uint256 fee);
    /// @notice A holder was paid.
    event Collected(uint256 indexed id, address indexed holder, uint256 amount);

    /// @notice Signed bytes hold the chain id in 64 bits, and this chain's does not fit.
    error ChainIdTooLarge(uint256 chainId);
    /// @notice This device is registered already.
    error AlreadyRegistered(uint256 id);
    /// @notice The hotspot of this id is not registered.
    error NotRegistered(uint256 id);
    /// @notice A hotspot must belong to somebody.
    error NoOwner();
    /// @notice The kind is not one of 0 to 3.
    error UnknownKind(uint8 kind);
    /// @notice The cell is not an H3 cell of resolution 9 to 12.
    error NotACell(uint64 cell);
    /// @notice The antenna gain is outside -10.00 to 15.00 dBi.
    error GainOutOfRange(int16 gain);
    /// @notice The device's signature does not fit its key and this registration.
    error BadDeviceSignature(uint256 id);
    /// @notice Only the operator says where a hotspot stands.
    error NotOperator(uint256 id, address caller);
    /// @notice Only the Epochs contract deposits.
    error OnlyEpochs(address caller);
    /// @notice Only the Timelock freezes, after a vote.
    error OnlyTimelock(address caller);

    /// @param token_ What income is paid in.
    /// @param epochs_ The contract that pays income in; deployed after this one, at a predicted address.
    /// @param timelock_ The account of the holders' decisions.
    /// @param registrationFee_ A new hotspot's debt, base units.
    /// @param locationFee_ What a move costs, base units.
    constructor(
        FarfieldToken token_,
        address epochs_,
        address timelock_,
        uint128 registrationFee_,
        uint128 locationFee_
    ) ERC1155("") {
        require(block.chainid <= type(uint64).max, ChainIdTooLarge(block.chainid));
        token = token_;
        epochs = epochs_;
        timelock = timelock_;
        registrationFee = registrationFee_;
        locationFee = locationFee_;
    }

    // --- devices --------------------------------------------------------------------------------------------------

    /// @notice Registers a hotspot. Anyone may send this; only the device's own signature counts.
    /// @param x X of the device's P-256 public key.
    /// @param y Y of the device's P-256 public key.
    /// @param owner The account that gets all shares. If it is a contract, it must take ERC-1155 tokens.
    /// @param cell H3 cell of its place, resolution 9 to 12.
    /// @param gain Antenna gain, 0.01 dBi, -1000 to 1500.
    /// @param elevation Antenna height above ground, metres.
    /// @param kind 0 fixed, 1 mapper, 2 fixed Wi-Fi, 3 mapper Wi-Fi.
    /// @param r First half of the device's signature over the bytes that `registrationHash` hashes.
    /// @param s Second half, at most half the order of the curve.
    function register(
        uint256 x,
        uint256 y,
        address owner,
        uint64 cell,
        int16 gain,
        int16 elevation,
        uint8 kind,
        bytes32 r,
        bytes32 s
    ) external {
        uint256 id = idOf(x, y);
        require(_infos[id].operator == address(0), AlreadyRegistered(id));
        require(owner != address(0), NoOwner());
        require(kind <= MAX_KIND, UnknownKind(kind));
        _checkPlace(cell, gain);
        bytes32 digest = registrationHash(x, y, owner, cell, gain, elevation, kind);
        require(P256.verify(digest, r, s, bytes32(x), bytes32(y)), BadDeviceSignature(id));
        _add(id, Info(owner, kind, gain, elevation, false, cell, registrationFee), x, y);
    }

    function _add(uint256 id, Info memory info, uint256 x, uint256 y) private {
        _infos[id] = info;
        emit Registered(id, info.operator, info.cell, info.gain, info.elevation, info.kind, x, y);
        // Last, because it tells an owner that is a contract, which may call anything.
        _mint(info.operator, id, SHARES, "");
    }

    /// @notice Says where a hotspot stands now. Only its operator may. A move burns the location fee from the operator,
    /// who has to allow this contract to spend it; a new gain or height at the same place is free.
    function locate(uint256 id, uint64 cell, int16 gain, int16 elevation) external {
        Info storage info = _infos[id];
        address operator = info.operator;
        require(operator != address(0), NotRegistered(id));
        require(msg.sender == operator, NotOperator(id, msg.sender));
        _checkPlace(cell, gain);
        bool moved = info.cell != cell;
        (info.gain, info.elevation) = (gain, elevation);
        if (moved) info.cell = cell;
        emit Located(id, cell, gain, elevation, moved);
        if (moved && locationFee > 0) token.burnFrom(operator, locationFee);
    }

    /// @notice Votes a hotspot out, or in again. Only the Timelock may, with the hash of the published reason.
    function setFrozen(uint256 id, bytes32 reasonHash, bool frozen_) external {
        require(msg.sender == timelock, OnlyTimelock(msg.sender));
        require(isRegistered(id), NotRegistered(id));
        _infos[id].frozen = frozen_;
        emit FrozenSet(id, frozen_, reasonHash);
    }

    function _checkPlace(uint64 cell, int16 gain) private pure {
        require(H3Cell.isCell(cell, MIN_RESOLUTION, MAX_RESOLUTION), NotACell(cell));
        require(gain >= MIN_GAIN && gain <= MAX_GAIN, GainOutOfRange(gain));
    }

    // --- income ---------------------------------------------------------------------------------------------------

    /// @notice Spreads income over a hotspot's shares. Only the Epochs contract may, which has minted it to this
    /// contract. What is left of the registration fee is burned from it first.
    function deposit(uint256 id, uint256 amount) external {
        require(msg.sender == epochs, OnlyEpochs(msg.sender));
        Info storage info = _infos[id];
        uint256 debt = info.debt;
        require(info.cell != 0, NotRegistered(id));
        uint256 fee = amount < debt ? amount : debt;
        emit Deposited(id, amount, fee);
        if (fee < amount) {
            Income memory income = _incomes[id];
            uint256 total = amount - fee + income.rest;
            // The sum of all income is below 2**128, because emission is.
            _incomes[id] = Income(uint240(income.perShare + total / SHARES), uint16(total % SHARES));
        }
        if (fee > 0) {
            info.debt = uint128(debt - fee);
            token.burn(fee);
        }
    }

    /// @notice Pays the sender everything these hotspots have earned for it.
    function collect(uint256[] calldata ids) external {
        _collect(msg.sender, ids);
    }

    /// @notice Pays a holder everything these hotspots have earned for it. Anyone may send this.
    function collectFor(address holder, uint256[] calldata ids) external {
        _collect(holder, ids);
    }

    /// @notice What `collect` would pay a holder from one hotspot, base units.
    function collectable(uint256 id, address holder) external view returns (uint256) {
        return _reckon(id, holder).owed;
    }

    function _collect(address holder, uint256[] calldata ids) private {
        uint256 sum = 0;
        for (uint256 i = 0; i < ids.length; ++i) {
            Holding memory holding = _reckon(ids[i], holder);
            if (holding.owed == 0) continue;
            _holdings[ids[i]][holder] = Holding(holding.perShare, 0);
            sum += holding.owed;
            emit Collected(ids[i], holder, holding.owed);
        }
        // The token is ours: it returns true or reverts, and calls nobody back.
        if (sum > 0) token.transfer(holder, sum);
    }

    /// @dev The holder's account with a hotspot as of now.
    function _reckon(uint256 id, address holder) private view returns (Holding memory holding) {
        uint128 perShare = uint128(_incomes[id].perShare);
        holding = _holdings[id][holder];
        holding.owed += (perShare - holding.perShare) * uint128(balanceOf(holder, id));
        holding.perShare = perShare;
    }

    // --- shares ---------------------------------------------------------------------------------------------------

    /// @dev Every move of shares passes here, before anybody is told of it: both sides' income up to now is written
    /// down, then the shares move, then the operator follows the majority.
    function _update(address from, address to, uint256[] memory ids, uint256[] memory values) internal override {
        for (uint256 i = 0; i < ids.length; ++i) {
            if (from != address(0)) _settle(ids[i], from);
            _settle(ids[i], to);
        }
        super._update(from, to, ids, values);
        for (uint256 i = 0; i < ids.length; ++i) {
            uint256 id = ids[i];
            if (2 * balanceOf(to, id) > SHARES && _infos[id].operator != to) {
                _infos[id].operator = to;
                emit OperatorChanged(id, to);
            }
        }
    }

    function _settle(uint256 id, address holder) private {
        if (_incomes[id].perShare == _holdings[id][holder].perShare) return;
        _holdings[id][holder] = _reckon(id, holder);
    }

    // --- views ----------------------------------------------------------------------------------------------------

    /// @notice The id of the device with this public key: its keccak-256 with bit 255 set, so no account equals it.
    function idOf(uint256 x, uint256 y) public pure returns (uint256) {
        return uint256(keccak256(abi.encodePacked(x, y))) | HOTSPOT_BIT;
    }

    /// @notice The SHA-256 a device signs: type, chain id, this contract, then the registration's canonical bytes.
    function registrationHash(uint256 x, uint256 y, address owner, uint64 cell, int16 gain, int16 elevation, uint8 kind)
        public
        view
        returns (bytes32)
    {
        bytes memory head = abi.encodePacked(REGISTRATION, uint64(block.chainid), address(this), x, y);
        return sha256(bytes.concat(head, abi.encodePacked(owner, cell, gain, elevation, kind)));
    }

    /// @notice The account that runs a hotspot: the last that held more than half of it; zero if it is not registered.
    function operatorOf(uint256 id) external view returns (address) {
        return _infos[id].operator;
    }

    /// @notice Everything kept of a hotspot; all zero if it is not registered.
    function infoOf(uint256 id) external view returns (Info memory) {
        return _infos[id];
    }

    /// @notice What is left of a hotspot's registration fee, base units.
    function debtOf(uint256 id) external view returns (uint256) {
        return _infos[id].debt;
    }

    /// @notice True while a hotspot is voted out.
    function frozen(uint256 id) external view returns (bool) {
        return _infos[id].frozen;
    }

    /// @notice True once the device is registered.
    function isRegistered(uint256 id) public view returns (bool) {
        return _infos[id].operator != address(0);
    }

    /// @notice Name, cell and kind of a hotspot for wallets, as a data URI.
    function uri(uint256 id) public view override returns (string memory) {
        Info memory info = _infos[id];
        require(info.operator != address(0), NotRegistered(id));
        return Metadata.uri(id, info.cell, info.kind);
    }
}
