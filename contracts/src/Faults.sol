// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Roots} from "./Roots.sol";

/// @title What costs a validator its stake.
/// @notice Only what two signatures prove: the same key said two different things where an honest validator says one.
/// Signing the same root again for another set of validators is honest and has another setId. The whole stake is burned
/// at once, a tenth of it goes to whoever brought the proof, and the membership ends with the epoch.
abstract contract Faults is Roots {
    bytes32 private constant MANIFEST_TYPEHASH = keccak256("Manifest(uint64 epoch,bytes32 manifestHash)");
    bytes32 private constant AVAILABLE_TYPEHASH =
        keccak256("Available(uint64 epoch,address validator,bytes32 manifestHash)");

    /// @notice These two signatures prove nothing: the same was signed twice, or another epoch, or for another set.
    error NoContradiction();
    /// @notice The two signatures are of two keys, or not valid.
    error NotOneSigner(address a, address b);

    /// @notice Proves that a key signed two roots of one epoch for one set.
    function slashEquivocation(EpochRoot calldata a, EpochRoot calldata b, bytes calldata sigA, bytes calldata sigB)
        external
    {
        require(a.epoch == b.epoch && a.setId == b.setId, NoContradiction());
        _slashSigner(rootDigest(a), rootDigest(b), sigA, sigB);
    }

    /// @notice Proves that a key signed two manifests of one epoch as its own.
    function slashManifests(uint64 epoch, bytes32 a, bytes32 b, bytes calldata sigA, bytes calldata sigB) external {
        _slashSigner(_manifestDigest(epoch, a), _manifestDigest(epoch, b), sigA, sigB);
    }

    /// @notice Proves that a key signed two manifests of one validator and epoch as available.
    function slashAvailability(
        uint64 epoch,
        address validator,
        bytes32 a,
        bytes32 b,
        bytes calldata sigA,
        bytes calldata sigB
    ) external {
        _slashSigner(_availableDigest(epoch, validator, a), _availableDigest(epoch, validator, b), sigA, sigB);
    }

    function _slashSigner(bytes32 a, bytes32 b, bytes calldata sigA, bytes calldata sigB) private {
        require(a != b, NoContradiction());
        (address keyA, ECDSA.RecoverError wrongA,) = ECDSA.tryRecoverCalldata(a, sigA);
        (address keyB, ECDSA.RecoverError wrongB,) = ECDSA.tryRecoverCalldata(b, sigB);
        bool valid = wrongA == ECDSA.RecoverError.NoError && wrongB == ECDSA.RecoverError.NoError;
        require(valid && keyA == keyB, NotOneSigner(keyA, keyB));
        _slash(keyA);
    }

    function _manifestDigest(uint64 epoch, bytes32 manifestHash) private view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(MANIFEST_TYPEHASH, epoch, manifestHash)));
    }

    function _availableDigest(uint64 epoch, address validator, bytes32 manifestHash) private view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(AVAILABLE_TYPEHASH, epoch, validator, manifestHash)));
    }
}
