// The pieces of an app that docs/from-livelike.md shows.

import Foundation
import GrandstandLiveLike

@MainActor
public final class LiveLikeApp: EngagementSDKDelegate {
  public private(set) var sdk: EngagementSDK?

  public init() {}

  public func launch() {
    EngagementSDKConfig.defaultAPIOrigin = URL(string: "https://fans.example.com/api/v1")
  }

  public func start(clientID: String) {
    let config = EngagementSDKConfig(clientID: clientID)
    let sdk = EngagementSDK(config: config)
    sdk.delegate = self
    self.sdk = sdk
  }
}
