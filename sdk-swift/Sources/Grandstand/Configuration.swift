import Foundation

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// What becomes of a token that is dead.
public enum OnInvalidToken: String, Sendable {
  /// The call fails with `GrandstandError.invalidToken`.
  case fail

  /// A new profile is made: where nobody signs in.
  case create
}

/// What becomes of the tokens of the anonymous profile that was merged into an account's.
public enum FormerTokens: String, Sendable {
  /// They die.
  case revoke

  /// They speak for the account.
  case follow
}

/// Which fan of which application on which server, and how the client goes about it.
public struct Configuration: Sendable {
  /// The application.
  public var clientId: String

  /// The server's address, with or without `/api/v1/`.
  public var endpoint: String

  /// Where the fan's credential is kept between starts.
  public var storage: any KeyValueStorage

  /// The fan's access token, from your back end or from where you saved it. It wins over whatever is stored.
  public var accessToken: String?

  /// Keeps the token itself, for apps that have a place for secrets. Default: it stands in `storage`.
  public var tokenStorage: (any TokenStorage)?

  /// Of a profile that has to be made; nil: the server makes one up.
  public var nickname: String?

  public var onInvalidToken = OnInvalidToken.fail

  /// How many activities wait at most; beyond it the oldest are dropped.
  public var maxQueue = 1000

  /// Seconds that a tracked activity waits for others.
  public var flushInterval: TimeInterval = 1

  /// Sends what waits when the app goes to the background, in the time that the system gives for it.
  public var flushesInBackground = true

  /// Told of activities that will never reach the server, on a background thread.
  public var onDrop: @Sendable (Drop) -> Void = { _ in }

  /// Told when the stream of own groups breaks, on a background thread. It is tried again.
  public var onStreamError: @Sendable (any Error) -> Void = { _ in }

  /// Seconds between two questions for the own groups where streams do not get through.
  public var pollInterval: TimeInterval = 10

  /// Seconds until `GrandstandError.timeout`.
  public var timeout: TimeInterval = 30

  /// How often a request that may be repeated is sent again.
  public var retries = 2

  /// Changes how the client's URLSession is set up: a proxy, TLS versions, whether it waits for a connection.
  public var configureSession: @Sendable (URLSessionConfiguration) -> Void = { _ in }

  /// What activities are stamped by. Where it is wrong by the server's, the server's counts.
  public var now: @Sendable () -> Date = { Date() }

  public init(clientId: String, endpoint: String, storage: any KeyValueStorage = FileStorage.standard) {
    self.clientId = clientId
    self.endpoint = endpoint
    self.storage = storage
  }
}

/// Without the token, which is a password.
extension Configuration: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  public var description: String { "Configuration(clientId: \(clientId), endpoint: \(endpoint))" }
  public var debugDescription: String { description }
  public var customMirror: Mirror { Mirror(self, children: ["clientId": clientId, "endpoint": endpoint]) }
}
