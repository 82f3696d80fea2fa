// The walk of the README, piece by piece; a test holds the two together.

import Foundation
import Grandstand

public final class Walk {
  private let clientId: String
  private let endpoint: String
  private let folder: URL
  public private(set) var shown: [String] = []

  public init(clientId: String, endpoint: String, folder: URL) {
    self.clientId = clientId
    self.endpoint = endpoint
    self.folder = folder
  }

  private func showLounge() { shown.append("lounge") }
  private func welcome(_ group: GroupMembership) { shown.append("welcome to \(group.groupName ?? "")") }
  private func showProblem(_ problem: String) { shown.append(problem) }
  private func print(_ text: String) { shown.append(text) }

  public func startInApp() async throws -> GrandstandClient {
    let fan = try GrandstandClient(clientId: clientId, endpoint: endpoint)
    let profile = try await fan.start()
    print(profile.nickname)  // "Final Horse", until the fan chooses another
    return fan
  }

  public func start() async throws -> GrandstandClient {
    let fan = try GrandstandClient(clientId: clientId, endpoint: endpoint, storage: FileStorage(folder: folder))
    try await fan.start()
    return fan
  }

  public func change(_ fan: GrandstandClient) async throws -> Profile {
    try await fan.setNickname("Ada")
    try await fan.setAttributes(["team": "lions", "newsletter": nil])  // the others stay; nil removes
    try await fan.update { $0.setCustomData(#"{"theme": "dark"}"#) }
    return try await fan.refresh()
  }

  public func act(_ fan: GrandstandClient) async throws {
    fan.track("poll-voted", data: ["poll": "man-of-the-match"])
    try await fan.flush()
  }

  public func ask(_ fan: GrandstandClient) async throws {
    if try await fan.isMember(of: "season-ticket-holders") { showLounge() }
  }

  public func follow(_ fan: GrandstandClient) async throws {
    for try await change in fan.groupChanges() {
      change.entered.forEach(welcome)
    }
  }

  public func signIn(_ fan: GrandstandClient, _ accessToken: String) async throws {
    try await fan.identify(accessToken)
    try await fan.signOut()
  }

  public func signInAndFollow(_ fan: GrandstandClient, _ accessToken: String) async throws {
    try await fan.identify(accessToken, formerTokens: .follow)
  }

  public func rename(_ fan: GrandstandClient, to nickname: String) async throws {
    do {
      try await fan.setNickname(nickname)
    } catch GrandstandError.api(let error) {
      showProblem(error.fields["nickname"]?.first ?? error.message)
    }
  }

  public func resume(_ accessToken: String, fetchFreshToken: () async throws -> String) async throws -> GrandstandClient {
    func open(_ token: String) throws -> GrandstandClient {
      try GrandstandClient(clientId: clientId, endpoint: endpoint, storage: FileStorage(folder: folder)) { $0.accessToken = token }
    }
    do {
      let fan = try open(accessToken)
      try await fan.start()
      return fan
    } catch GrandstandError.invalidToken {
      let fan = try open(try await fetchFreshToken())
      try await fan.start()
      return fan
    }
  }

  public func configured() throws -> GrandstandClient {
    try GrandstandClient(clientId: clientId, endpoint: endpoint, storage: FileStorage(folder: folder)) { config in
      config.nickname = "Ada"
      config.onInvalidToken = .create
      config.onDrop = { drop in Swift.print(drop) }
    }
  }

  #if canImport(Security)
    public func withKeychain() throws -> GrandstandClient {
      try GrandstandClient(clientId: clientId, endpoint: endpoint) { $0.tokenStorage = KeychainTokenStorage() }
    }
  #endif
}
