// LiveLike's entry to profiles over a GrandstandClient: it starts by itself, and tells its delegate how that went.

import Foundation
import Grandstand

/// One fan of an application. The initializer returns at once and begins to look for the profile; delegates and completions are called on
/// the main thread.
public final class EngagementSDK: NSObject, @unchecked Sendable {
  private struct State {
    weak var delegate: (any EngagementSDKDelegate)?
    var setup: Task<Profile, any Error>?
    var isSettingUp = false

    /// What there was to tell before there was a delegate.
    var untold: [Word] = []
  }

  /// A call of the delegate.
  private typealias Word = @MainActor @Sendable (EngagementSDK, any EngagementSDKDelegate) -> Void

  private let config: EngagementSDKConfig
  private let opened: Result<GrandstandClient, any Error>
  private let state = Protected(State())
  private let inOrder = Turn()

  public weak var delegate: (any EngagementSDKDelegate)? {
    get { state.with { $0.delegate } }
    set {
      let words = state.with { state in
        state.delegate = newValue
        defer { if newValue != nil { state.untold = [] } }
        return newValue == nil ? [] : state.untold
      }
      for word in words { Task.detached { await self.tell(word) } }
    }
  }

  public var currentConfiguration: EngagementSDKConfig { config }

  /// What is new: attributes, activities, own groups, signing in. Fails where the configuration has no application or no server.
  public var client: GrandstandClient {
    get throws { try opened.get() }
  }

  /// Calls that have no counterpart here; each fails in a sentence.
  public let user = BlockingCalls()
  public let chat = BlockingCalls()

  public convenience init(config: EngagementSDKConfig) { self.init(config: config, storage: FileStorage.standard) }

  /// - Parameter storage: what is kept beside the token: the profile as it was last seen, and what waits to be sent
  public init(config: EngagementSDKConfig, storage: any KeyValueStorage) {
    self.config = config
    opened = Result { try Self.open(config, storage) }
    super.init()
    let tokens = OnMain(config.accessTokenStorage)
    Task.detached { [weak self] in
      let token = tokens.value.fetchAccessToken()
      guard let setup = self?.setUp() else { return }
      let result = await setup.result
      await self?.tell { sdk, delegate in
        switch result {
        case .success: delegate.sdk(setupCompleted: sdk)
        case .failure(let error):
          delegate.sdk(sdk, setupFailedWithError: SetupError(error, clientID: sdk.config.clientID, token: token))
        }
      }
    }
  }

  private static func open(_ config: EngagementSDKConfig, _ storage: any KeyValueStorage) throws -> GrandstandClient {
    guard !config.apiOrigin.isFileURL else { throw SetupError.invalidAPIOrigin }
    do {
      return try GrandstandClient(clientId: config.clientID, endpoint: config.apiOrigin.absoluteString, storage: storage) {
        $0.tokenStorage = StoredTokens(config.accessTokenStorage)
      }
    } catch {
      let isAddress = config.apiOrigin.host != nil
      throw isAddress ? SetupError.invalidClientID(config.clientID) : SetupError.invalidAPIOrigin
    }
  }

  /// Sent in the order in which it was called.
  public func setUserDisplayName(_ displayName: String, completion: @escaping (Result<Void, any Error>) -> Void) {
    let answer = OnMain(completion)
    Task.detached { [self] in
      await inOrder.take()
      let result = await outcome { try await self.client.setNickname(displayName) }
      await inOrder.give()
      await answer.run { $0(result.map { _ in }) }
    }
  }

  public func setUserDisplayName(_ displayName: String, completion: @escaping (Bool, (any Error)?) -> Void) {
    setUserDisplayName(displayName) { (result: Result<Void, any Error>) in
      switch result {
      case .success: completion(true, nil)
      case .failure(let error): completion(false, error)
      }
    }
  }

  public func getUserDisplayName(completion: @escaping (Result<String, any Error>) -> Void) {
    answer(completion) { $0.nickname }
  }

  public func getCurrentUserProfile(completion: @escaping (Result<UserProfile, any Error>) -> Void) {
    answer(completion) { UserProfile($0) }
  }

  private func answer<Answer: Sendable>(
    _ completion: @escaping (Result<Answer, any Error>) -> Void, _ read: @escaping @Sendable (Profile) -> Answer
  ) {
    let completion = OnMain(completion)
    Task.detached { [self] in
      let result = await outcome { try await self.client.refresh() }
      await completion.run { $0(result.map(read)) }
    }
  }

  /// After the profile is there; beginning again where that failed.
  private func outcome(_ work: @Sendable () async throws -> Profile) async -> Result<Profile, any Error> {
    do {
      _ = try await setUp().value
      return .success(try await work())
    } catch {
      return .failure(error)
    }
  }

  private func setUp() -> Task<Profile, any Error> {
    state.with { state in
      if let setup = state.setup, state.isSettingUp { return setup }
      let setup = Task.detached { [self] in
        defer { self.state.with { $0.isSettingUp = false } }
        return try await start()
      }
      state.isSettingUp = true
      state.setup = setup
      return setup
    }
  }

  private func start() async throws -> Profile {
    let client = try client
    if let profile = client.profile { return profile }
    do {
      return try await client.start()
    } catch GrandstandError.invalidToken(let error) {
      // Where the app itself keeps the token, it may have a better one; a token of ours that is dead is of no use to anybody.
      guard let ours = config.accessTokenStorage as? DefaultAccessTokenStorage else { throw GrandstandError.invalidToken(error) }
      let dead = ours.fetchAccessToken()
      ours.storeAccessToken(accessToken: "")
      await tell { sdk, delegate in
        delegate.sdk(sdk, setupFailedWithError: SetupError.invalidUserAccessToken(dead ?? ""))
      }
      return try await client.start()
    }
  }

  @MainActor private func tell(_ word: @escaping Word) {
    let delegate = state.with { state in
      if state.delegate == nil { state.untold.append(word) }
      return state.delegate
    }
    if let delegate { word(self, delegate) }
  }
}

/// What is only used on the main thread, on its way there.
private struct OnMain<Value>: @unchecked Sendable {
  let value: Value

  init(_ value: Value) { self.value = value }

  @MainActor func run(_ work: @MainActor (Value) -> Void) { work(value) }
}
