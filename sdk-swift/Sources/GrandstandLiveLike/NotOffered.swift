// What stands for the calls of LiveLike's SDK that are not offered here.

import Foundation

/// What a call answers that never does.
public enum NotOffered: Sendable {}

/// A call of what is not offered.
public struct NotOfferedError: LocalizedError, CustomStringConvertible, Sendable {
  public let description: String
  public var errorDescription: String? { description }
}

public enum Pagination: Sendable {
  case first, next, previous
}

/// Blocks between profiles: each call fails.
public final class BlockingCalls: Sendable {
  public func blockProfile(profileID: String, completion: @escaping (Result<NotOffered, any Error>) -> Void) {
    refuse(completion)
  }

  public func unblockProfile(blockRequestID: String, completion: @escaping (Result<NotOffered, any Error>) -> Void) {
    refuse(completion)
  }

  public func getBlockedProfileList(
    blockedProfileID: String? = nil, page: Pagination, completion: @escaping (Result<NotOffered, any Error>) -> Void
  ) {
    refuse(completion)
  }

  private func refuse(_ completion: @escaping (Result<NotOffered, any Error>) -> Void) {
    let completion = Refused(tell: completion)
    DispatchQueue.main.async {
      completion.tell(.failure(NotOfferedError(description: "Blocks are not part of Grandstand.")))
    }
  }
}

/// On its way to the main thread.
private struct Refused: @unchecked Sendable {
  let tell: (Result<NotOffered, any Error>) -> Void
}
