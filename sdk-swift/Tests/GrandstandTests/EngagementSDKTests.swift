// The names of LiveLike's iOS SDK, as apps use them.

import Foundation
import GrandstandLiveLike
import XCTest

@testable import Grandstand

/// As an app keeps its token in its own place.
private final class OwnStorage: AccessTokenStorage {
  let token: Protected<String?>

  init(_ token: String? = nil) { self.token = Protected(token) }

  func fetchAccessToken() -> String? { token.with { $0 } }
  func storeAccessToken(accessToken: String) { token.with { $0 = accessToken } }
}

private final class Delegate: EngagementSDKDelegate {
  let said = Protected<[String]>([])

  func sdk(setupCompleted sdk: EngagementSDK) {
    XCTAssertTrue(Thread.isMainThread)
    said.with { $0.append("completed") }
  }

  func sdk(_ sdk: EngagementSDK, setupFailedWithError error: any Error) {
    XCTAssertTrue(Thread.isMainThread)
    said.with { $0.append("\((error as NSError).code) \(error.localizedDescription)") }
  }
}

/// A screen that changes the name, as the documents have it.
private final class Screen {
  let shown = Protected<[String]>([])

  private func print(_ text: String) {
    XCTAssertTrue(Thread.isMainThread)
    shown.with { $0.append(text) }
  }

  func rename(_ sdk: EngagementSDK) {
    sdk.setUserDisplayName("<new display name>") { [weak self] result in
      guard let self = self else { return }
      switch result {
      case .success:
        self.print("Successfuly changed user display name")
      case let .failure(error):
        self.print("Error \(error.localizedDescription)")
      }
    }
  }
}

extension EngagementSDK {
  fileprivate func profile() async throws -> UserProfile {
    try await withCheckedThrowingContinuation { continuation in
      getCurrentUserProfile { continuation.resume(with: $0) }
    }
  }

  fileprivate func rename(_ name: String) async throws {
    try await withCheckedThrowingContinuation { continuation in
      setUserDisplayName(name) { (result: Result<Void, any Error>) in continuation.resume(with: result) }
    }
  }
}

final class EngagementSDKTests: ServerTestCase {
  private func config(_ storage: (any AccessTokenStorage)? = nil, clientID: String = RealServer.clientId) -> EngagementSDKConfig {
    EngagementSDKConfig.defaultAPIOrigin = URL(string: "\(RealServer.url)/api/v1")
    var config = EngagementSDKConfig(clientID: clientID)
    if let storage { config.accessTokenStorage = storage }
    return config
  }

  func testTheDocumentsSwiftRunsWithTheImportChanged() async throws {
    let storage = OwnStorage()
    let listener = Delegate()
    let sdk = EngagementSDK(config: config(storage), storage: FileStorage(folder: folder))
    sdk.delegate = listener
    try await eventually { listener.said.with { $0 } == ["completed"] }
    let made = try await sdk.profile()
    let token = try XCTUnwrap(storage.fetchAccessToken())
    let screen = Screen()
    screen.rename(sdk)
    try await eventually { screen.shown.with { $0 } == ["Successfuly changed user display name"] }
    let name = try await withCheckedThrowingContinuation { continuation in
      sdk.getUserDisplayName { continuation.resume(with: $0) }
    }
    XCTAssertEqual(name, "<new display name>")
    let older = Protected<[String]>([])
    sdk.setUserDisplayName("Ada") { isDone, error in older.with { $0.append("\(isDone) \(error == nil)") } }
    sdk.setUserDisplayName("") { isDone, error in older.with { $0.append("\(isDone) \(error == nil)") } }
    try await eventually { older.with { $0 } == ["true true", "false false"] }
    XCTAssertEqual(sdk.currentConfiguration.clientID, RealServer.clientId)
    for file in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
      let text = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
      XCTAssertFalse(text.contains(token), "the token stands where the app keeps it, and nowhere else")
    }

    let again = try await EngagementSDK(config: config(storage), storage: FileStorage(folder: folder)).profile()
    XCTAssertEqual([again.id, again.nickname], [made.id, "Ada"])
    storage.storeAccessToken(accessToken: "")  // as an app does when its user signs out
    let next = try await EngagementSDK(config: config(storage), storage: FileStorage(folder: folder)).profile()
    XCTAssertNotEqual(next.id, made.id)
  }

  func testChangesOfTheNameArriveInTheirOrder() async throws {
    let sdk = EngagementSDK(config: config(OwnStorage()), storage: MemoryStorage())
    let done = Protected(0)
    for number in 1...20 {
      sdk.setUserDisplayName("Fan \(number)") { (result: Result<Void, any Error>) in done.with { $0 += 1 } }
    }
    try await eventually { done.with { $0 } == 20 }
    let profile = try await sdk.profile()
    XCTAssertEqual(profile.nickname, "Fan 20")
    try sdk.client.track("poll-voted")
    try await sdk.client.flush()
    let ids = try await RealServer.activityIds(of: profile.id)
    XCTAssertEqual(ids.count, 1)
  }

  func testADeadTokenOfTheAppStaysAndIsTold() async throws {
    let storage = OwnStorage("no-token")
    let listener = Delegate()
    let before = try await RealServer.countProfiles()
    let sdk = EngagementSDK(config: config(storage), storage: MemoryStorage())
    sdk.delegate = listener
    try await eventually { listener.said.with { $0.count } == 1 }
    XCTAssertEqual(
      listener.said.with { $0 }, ["4 The access token is dead: it expired, was revoked, or its profile was erased."])
    let error = await failure { _ = try await sdk.profile() }
    XCTAssertEqual(error?.name, "InvalidToken")
    XCTAssertEqual(storage.fetchAccessToken(), "no-token")
    let after = try await RealServer.countProfiles()
    XCTAssertEqual(after, before)
    let said = "\(EngagementSDK.SetupError.invalidUserAccessToken("no-token"))"
    XCTAssertFalse(said.contains("no-token"))
  }

  func testTheAppsDefaultsKeepTheFanAndADeadTokenThereIsReplaced() async throws {
    let key = "com.livelike.EngagementSDK:LiveLikeAccessToken"
    defer { UserDefaults.standard.removeObject(forKey: key) }
    UserDefaults.standard.set("a-token-of-the-other-server", forKey: key)
    let listener = Delegate()
    let sdk = EngagementSDK(config: config(), storage: FileStorage(folder: folder))
    sdk.delegate = listener
    try await eventually { listener.said.with { $0.last } == "completed" }
    XCTAssertTrue(listener.said.with { $0.first?.hasPrefix("4 ") == true }, "the dead token was told first")
    let made = try await sdk.profile()
    XCTAssertEqual(UserDefaults.standard.string(forKey: key), try sdk.client.accessToken)
    let again = try await EngagementSDK(config: config(), storage: FileStorage(folder: folder)).profile()
    XCTAssertEqual(again.id, made.id)
  }

  func testWhatIsWrongWithTheConfigurationIsTold() async throws {
    var nowhere = config(OwnStorage())
    nowhere.apiOrigin = URL(fileURLWithPath: "/")
    for (config, code) in [
      (nowhere, "5 "), (config(OwnStorage(), clientID: "a b"), "1 "), (config(OwnStorage(), clientID: "nobody"), "1 "),
    ] {
      let listener = Delegate()
      let sdk = EngagementSDK(config: config, storage: MemoryStorage())
      sdk.delegate = listener
      try await eventually { listener.said.with { $0.count } == 1 }
      XCTAssertTrue(listener.said.with { $0.first?.hasPrefix(code) == true }, "\(listener.said.with { $0 })")
      do {
        _ = try await sdk.profile()
        XCTFail("there is no profile")
      } catch {
        XCTAssertFalse(error.localizedDescription.isEmpty)
      }
    }
  }

  func testWhatIsNotOfferedSaysSo() async throws {
    let sdk = EngagementSDK(config: config(OwnStorage()), storage: MemoryStorage())
    let said = Protected<[String]>([])
    func note(_ result: Result<NotOffered, any Error>) {
      if case let .failure(error) = result { said.with { $0.append(error.localizedDescription) } }
    }
    sdk.user.blockProfile(profileID: "1", completion: note)
    sdk.user.unblockProfile(blockRequestID: "1", completion: note)
    sdk.chat.getBlockedProfileList(page: .first) { note($0) }
    try await eventually { said.with { $0 } == [String](repeating: "Blocks are not part of Grandstand.", count: 3) }
  }
}
