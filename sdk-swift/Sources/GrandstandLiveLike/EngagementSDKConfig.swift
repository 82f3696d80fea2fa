// The types of LiveLike's iOS SDK that have to do with profiles, under their own names.

import Foundation
import Grandstand

/// Where the app keeps its fan's token. It says whose profile there is: with none, or an empty one, a profile is made. Called on background
/// threads.
public protocol AccessTokenStorage: AnyObject {
  func fetchAccessToken() -> String?

  /// With an empty text once the fan signed out.
  func storeAccessToken(accessToken: String)
}

/// Told on the main thread.
public protocol EngagementSDKDelegate: AnyObject {
  func sdk(_ sdk: EngagementSDK, setupFailedWithError error: any Error)
  func sdk(setupCompleted sdk: EngagementSDK)
}

extension EngagementSDKDelegate {
  public func sdk(_ sdk: EngagementSDK, setupFailedWithError error: any Error) {}
  public func sdk(setupCompleted sdk: EngagementSDK) {}
}

public struct EngagementSDKConfig {
  private static let origin = Protected<URL?>(nil)

  /// The address of your Grandstand, for all configurations that are made from now on.
  public static var defaultAPIOrigin: URL? {
    get { origin.with { $0 } }
    set { origin.with { $0 = newValue } }
  }

  public let clientID: String

  /// The address of your Grandstand, with or without `/api/v1`.
  public var apiOrigin: URL

  /// The app's own place for the token, in the place of its `UserDefaults`.
  public var accessTokenStorage: any AccessTokenStorage

  public init(clientID: String) {
    self.clientID = clientID
    // None at all is told as `SetupError.invalidAPIOrigin`.
    apiOrigin = Self.defaultAPIOrigin ?? URL(fileURLWithPath: "/")
    accessTokenStorage = DefaultAccessTokenStorage(.standard)
  }
}

/// Where LiveLike's SDK keeps the token, and by the same name: an app that changes over goes on with its fan.
final class DefaultAccessTokenStorage: AccessTokenStorage {
  private static let key = "com.livelike.EngagementSDK:LiveLikeAccessToken"
  private let defaults: UserDefaults

  init(_ defaults: UserDefaults) { self.defaults = defaults }

  func fetchAccessToken() -> String? { defaults.string(forKey: Self.key) }

  func storeAccessToken(accessToken: String) {
    if accessToken.isEmpty {
      defaults.removeObject(forKey: Self.key)
    } else {
      defaults.set(accessToken, forKey: Self.key)
    }
  }
}

/// Their storage as one of the client. Of theirs it is not known whether it may be called from any thread; it always was.
final class StoredTokens: TokenStorage, @unchecked Sendable {
  private let storage: any AccessTokenStorage

  init(_ storage: any AccessTokenStorage) { self.storage = storage }

  func load() -> String? { storage.fetchAccessToken() }

  func store(_ token: String?) {
    if token != storage.fetchAccessToken() { storage.storeAccessToken(accessToken: token ?? "") }
  }
}

public struct UserProfile: Sendable, Hashable {
  public let id: String
  public let nickname: String
  public let customID: String?
  public let customData: String?

  init(_ profile: Profile) {
    id = profile.id
    nickname = profile.nickname
    customID = profile.customId
    customData = profile.customData
  }
}

extension EngagementSDK {
  /// Why there is no profile.
  public enum SetupError: Error {
    case invalidClientID(String)
    case internalServerError
    case unknownError(any Error)

    /// The token that is dead.
    case invalidUserAccessToken(String)
    case invalidAPIOrigin
  }
}

extension EngagementSDK.SetupError: CustomNSError, LocalizedError, CustomStringConvertible, CustomReflectable {
  public static var errorDomain: String { "EngagementSDK.SetupError" }

  public var errorCode: Int {
    switch self {
    case .invalidClientID: return 1
    case .internalServerError: return 2
    case .unknownError: return 3
    case .invalidUserAccessToken: return 4
    case .invalidAPIOrigin: return 5
    }
  }

  /// Without the token, which is a password.
  public var description: String {
    switch self {
    case .invalidClientID(let id): return "There is no application '\(id)'."
    case .internalServerError: return "The server could not answer. It is asked again by the next call."
    case .unknownError(let error): return error.localizedDescription
    case .invalidUserAccessToken: return "The access token is dead: it expired, was revoked, or its profile was erased."
    case .invalidAPIOrigin:
      return "EngagementSDK needs the address of your Grandstand: set apiOrigin, or EngagementSDKConfig.defaultAPIOrigin once."
    }
  }

  public var errorDescription: String? { description }
  public var errorUserInfo: [String: Any] { [NSLocalizedDescriptionKey: description] }
  public var customMirror: Mirror { Mirror(self, children: ["code": errorCode]) }

  init(_ error: any Error, clientID: String, token: String?) {
    switch error {
    case let error as Self: self = error
    case GrandstandError.invalidToken: self = .invalidUserAccessToken(token ?? "")
    case GrandstandError.api(let said) where said.status == 404: self = .invalidClientID(clientID)
    case GrandstandError.api(let said) where said.status >= 500: self = .internalServerError
    default: self = .unknownError(error)
    }
  }
}
