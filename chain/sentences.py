"""What each custom error of our contracts means: one sentence or two, the last of them with what to do."""

from __future__ import annotations

SENTENCES = {
    "NotAValidator": "{caller} signs for no validator. Use the key that was registered for this validator.",
    "EpochNotOver": "Epoch {epoch} has not ended on chain yet; it ends at {endsAt:time}. Wait for it.",
    "EpochClosed": "Epoch {epoch} took manifests until {closedAt:time}. Nothing can be added to it any more.",
    "NoManifestForSetUp": "Epoch 0 is set-up and has no manifests. Begin with epoch 1.",
    "AlreadyPosted": "The manifest of epoch {epoch} is on chain already. There is nothing left to do.",
    "WrongNumberOfSignatures": "{count} signatures were given; the contract takes 1 to 64. Leave the others out.",
    "BadSignatureLength": "Signature {index} has {length} bytes instead of 65. Collect it again.",
    "EpochNotNew": "A root of epoch {lastEpoch} is on chain already. That of epoch {epoch} is not needed any more.",
    "WrongSet": "Validator set {setId} signed, but set {current} is in force. Sign again with its number.",
    "RootPending": "The root of epoch {epoch} is in its challenge window until {activeAt:time}. Submit after that.",
    "TotalFell": "The root grants {cumTotal:far}, less than the {before:far} granted before. Compute it again.",
    "AboveEmission": "The root grants {cumTotal:far}, above the {emitted:far} emitted so far. Compute it again.",
    "BadSignature": "Signature {index} is not a valid one. Collect it again.",
    "SignersNotAscending": "Signature {index} is out of order or doubled. Sort the signatures by signer.",
    "UnknownSigner": "Signature {index} is not one of a validator. Leave it out.",
    "NoQuorum": "The signers hold {signed:far} of {total:far} staked, not more than two thirds. Collect more.",
    "NotAnId": "{id} is neither an account nor a hotspot. Check the id.",
    "NotRegistered": "Hotspot {id:id} is not registered, so nobody can be paid for it. Register it first.",
    "BadProof": "The live root has no such amount for {id:id}. Ask for the proof of the newest live epoch.",
    "NothingToClaim": "{id:id} has been paid {cumulative:far} already. Wait until the next root is live.",
    "AboveTotal": "The claims come to {claimed:far}, above the root's {cumTotal:far}. Report it: the root is wrong.",
    "AlreadyRegistered": "Hotspot {id:id} is registered already. There is nothing left to do.",
    "NoOwner": "The owner must be an account other than 0. Give the owner's address.",
    "UnknownKind": "Kind {kind} is not known; it is 0 fixed, 1 mapper, 2 fixed Wi-Fi or 3 mapper Wi-Fi. Choose one.",
    "NotACell": "{cell:cell} is not an H3 cell of resolution 9 to 12. Choose the place again.",
    "GainOutOfRange": "A gain of {gain} hundredths of a dBi is outside -1000 to 1500. Correct the antenna's gain.",
    "BadDeviceSignature": "Hotspot {id:id} did not sign these values for this network. Let the device sign again.",
    "ChainIdTooLarge": "Chain id {chainId} does not fit into 64 bits. Choose another chain.",
    "WindowsDoNotFit": "The windows take {windows} s of an epoch of {epochLength} s. Make them shorter.",
    "NoEmission": "First emission and halving epochs must be positive. Correct the parameters.",
    "WrongNumberOfValidators": "{count} validators were given; a network starts with 1 to 64. Correct the first set.",
    "BadValidator": "Validator {owner} needs an owner, a key and a locked stake of its own. Correct the first set.",
    "StakesDoNotMatch": "{stakers} stakers and {stakes} stakes were given. Give one stake for each.",
    "OnlyEpochs": "Only the Epochs contract creates tokens. Claim through it.",
    "BalanceLocked": "{account} would keep {balance:far}, but {locked:far} are locked as stake. "
    "Do with less, or get more first.",
    "ERC20InsufficientBalance": "{sender} holds {balance:far} and would need {needed:far}. "
    "Do with less, or get more first.",
    "ERC20InsufficientAllowance": "{spender} may spend {allowance:far} and would need {needed:far}. Approve more.",
    "ERC2612ExpiredSignature": "The permit expired at {deadline:time}. Sign a new one.",
    "ERC2612InvalidSigner": "The permit was signed by {signer}, not by {owner}. Let the owner sign.",
    # The set of validators.
    "WrongContract": "{contractAddress} is not the contract of this network. Deploy all of them together.",
    "UnbondingTooShort": "Stakes must stay locked for {least} epochs, not {unbondingEpochs}. Raise unbonding_epochs.",
    "OnlyTimelock": "Only a vote of the holders can do this, through the Timelock. "
    "Propose it with `farfield gov propose`.",
    "NotAdmitted": "{owner} is not admitted as a validator. Ask the holders with `farfield gov propose`.",
    "AlreadyMember": "{owner} is a validator already. "
    "Leave first, or change its key with `farfield validator set-key`.",
    "NotAMember": "{owner} is no validator, or has left already. Check the owner's address.",
    "KeyUsed": "{key} has signed for a validator before. Make a new key: one serves one validator, once.",
    "NoKey": "Account 0 signs nothing. Give the address of the signing key.",
    "StakeNotWhole": "A stake of {stake:far} is no positive number of whole tokens. Stake whole tokens.",
    "StakeBelowLocked": "{locked:far} are still locked, so a stake of {stake:far} is too little. "
    "Stake at least that much.",
    "SetFull": "There are 64 validators, and no more fit. Wait until one leaves.",
    "NothingStaked": "{owner} has no stake. Check the owner's address.",
    "StillBonded": "The stake is locked until {until:time}. Unlock it after that.",
    "NotAThird": "The signers hold {signed:far} of {total:far} staked, not more than a third. Collect more.",
    "MemberForTooShort": "{owner} is a validator since epoch {firstEpoch} only. "
    "Wait until seven manifests were due from it.",
    "StillPosting": "{owner} posted its manifest of epoch {epoch}. "
    "Only who posted none of the last seven can be suspended.",
    "TooFewPosted": "Only {posted:far} of {total:far} posted in epoch {epoch}, too few to judge others by. "
    "Try again later.",
    # Brakes and proofs.
    "NotPending": "No root {root:hash} of epoch {epoch} waits for its window. "
    "Look at the newest with `farfield network show`.",
    "DidNotFall": "The waiting root grants {id:id} {pending:far}, not less than {live:far}. There is nothing to prove.",
    "IsPaused": "Validators stopped roots and claims until {until:time}. Wait for it.",
    "PauseTooSoon": "The next pause may not begin before {notBefore:time}. Wait for it.",
    "NoContradiction": "The two signed values do not contradict each other. Bring two of one epoch, and one set.",
    "NotOneSigner": "The signatures are of {a} and {b}, not of one key. Bring two signatures of the same key.",
    # Hotspots and their shares.
    "NotOperator": "{caller} does not run hotspot {id:id}. Let the account send it that holds most shares.",
    "ERC1155InsufficientBalance": "{sender} holds {balance} shares of hotspot {tokenId:id}, not {needed}. "
    "Transfer fewer.",
    "ERC1155MissingApprovalForAll": "{operator} may not move shares of {owner}. Let the owner send it.",
    "ERC1155InvalidReceiver": "{receiver} does not take shares. "
    "Give them to an account, or to a contract that takes them.",
    "ERC1155InvalidSender": "Shares cannot come from {sender}. Check the holder's address.",
    "ERC1155InvalidApprover": "{approver} cannot approve anybody. Send it from an account.",
    "ERC1155InvalidOperator": "{operator} cannot be approved. Check its address.",
    "ERC1155InvalidArrayLength": "{idsLength} ids and {valuesLength} amounts were given. Give one amount for each id.",
    # Tokens and votes.
    "NotEnoughToLock": "{account} has {free:far} free, not the {amount:far} to be staked. "
    "Get more tokens, or stake less.",
    "NotLocked": "{account} has {locked:far} locked, not {amount:far}. Report it.",
    "RewardTooHigh": "{reward:far} is more than a tenth of {amount:far}. Report it.",
    "ERC20InvalidReceiver": "Tokens cannot go to {receiver}. Check the receiver's address.",
    "ERC20InvalidSender": "Tokens cannot come from {sender}. Check the sender's address.",
    "ERC20InvalidApprover": "{approver} cannot approve anybody. Send it from an account.",
    "ERC20InvalidSpender": "{spender} cannot be approved. Check its address.",
    "ERC20ExceededSafeSupply": "{increasedSupply:far} would be more than votes can count, {cap:far}. Report it.",
    "ERC5805FutureLookup": "Votes at {timepoint:time} are not known before then; it is {clock:time}. Ask again later.",
    "ERC6372InconsistentClock": "The token's clock is not the vote's. Report it.",
    "VotesExpiredSignature": "The signed delegation expired at {expiry:time}. Sign a new one.",
    "InvalidAccountNonce": "{account} signed with another number than its next, {currentNonce}. Sign again with that.",
    "ECDSAInvalidSignature": "The signature is not a valid one. Sign again.",
    "ECDSAInvalidSignatureLength": "A signature has 65 bytes, not {length}. Sign again.",
    "ECDSAInvalidSignatureS": "The signature has the larger of its two forms. Sign again with the smaller s.",
    # The holders' vote and the Timelock.
    "BadGovernance": "A vote of {votingPeriodS} s with a quorum of {quorumPercent} % cannot pass. "
    "Correct [governance].",
    "GovernorAlreadyCastVote": "{voter} has voted on this proposal. A vote cannot be changed.",
    "GovernorAlreadyQueuedProposal": "Proposal {proposalId:proposal} is queued already. Execute it when it is due.",
    "GovernorDisabledDeposit": "The Governor takes no coin or tokens. Send them elsewhere.",
    "GovernorInsufficientProposerVotes": "{proposer} has {votes:far} of votes and needs {threshold:far} to propose. "
    "Delegate tokens to it with `farfield gov delegate`, and propose a moment later.",
    "GovernorInvalidProposalLength": "{targets} targets, {calldatas} calls and {values} values were given. "
    "Give as many of each.",
    "GovernorInvalidQuorumFraction": "A quorum of {quorumNumerator} of {quorumDenominator} cannot be reached. "
    "Choose 1 to 100.",
    "GovernorInvalidSignature": "The vote is not signed by {voter}. Let the voter sign.",
    "GovernorInvalidVoteParams": "This vote takes no extra data. Vote without.",
    "GovernorInvalidVoteType": "A vote is against, for or abstain. Choose one of them.",
    "GovernorInvalidVotingPeriod": "A vote must last longer than {votingPeriod} s. Correct voting_period_s.",
    "GovernorNonexistentProposal": "There is no proposal {proposalId:proposal}. See `farfield gov list`.",
    "GovernorOnlyExecutor": "Only the Timelock can do this, not {account}. Propose it with `farfield gov propose`.",
    "GovernorProposalQueueingFailed": "Proposal {proposalId:proposal} could not be queued. Report it.",
    "GovernorProposalQueueingNotRequired": "Proposal {proposalId:proposal} needs no queueing. Execute it.",
    "GovernorRestrictedProposer": "The text names somebody else as proposer than {proposer}. "
    "Let that account propose it.",
    "GovernorUnableToCancel": "{account} cannot withdraw proposal {proposalId:proposal}. "
    "Its proposer can, before the vote.",
    "GovernorUnexpectedProposalState": "Proposal {proposalId:proposal} is {current:state}. "
    "See `farfield gov list` for what can be done with it now.",
    "AccessControlBadConfirmation": "An account can only give up its own role. Report it.",
    "AccessControlUnauthorizedAccount": "{account} has no role in the Timelock; only the Governor has. "
    "Propose it instead.",
    "TimelockInsufficientDelay": "The Timelock waits at least {minDelay} s, not {delay} s. Choose a longer delay.",
    "TimelockInvalidOperationLength": "{targets} targets, {payloads} calls and {values} values were given. "
    "Give as many of each.",
    "TimelockUnauthorizedCaller": "{caller} cannot change the Timelock; only a vote can. Propose it instead.",
    "TimelockUnexecutedPredecessor": "What has to come before is not done yet ({predecessorId:hash}). "
    "Execute that first.",
    "TimelockUnexpectedOperationState": "The Timelock is not ready for this: it is too early, or done already. "
    "See `farfield gov list`.",
    "FailedCall": "What was voted for fails when it is carried out. Check that it is still possible.",
    # What libraries of the contracts say; no command of ours leads there.
    "CheckpointUnorderedInsertion": "The chain's clock went back. Try again later.",
    "SafeCastOverflowedUintDowncast": "{value} does not fit {bits} bits. Give a smaller number.",
    "InvalidShortString": "A name in the contract is not as it should be. Report it.",
    "StringTooLong": "The text {str} is longer than 31 bytes. Give a shorter one.",
    "StringsInsufficientHexLength": "{value} does not fit {length} hexadecimal digits. Report it.",
}
"""By the error's name, with its arguments by the contract's own names; FORMATS in chain.refusals prints them."""
