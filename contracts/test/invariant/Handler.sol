// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {GovernanceHandler} from "./GovernanceHandler.sol";
import {HotspotsHandler} from "./HotspotsHandler.sol";
import {RootsHandler} from "./RootsHandler.sol";
import {TokenHandler} from "./TokenHandler.sol";
import {ValidatorsHandler} from "./ValidatorsHandler.sol";

/// @dev Everything anybody can do to the network.
contract Handler is TokenHandler, HotspotsHandler, ValidatorsHandler, RootsHandler, GovernanceHandler {}
