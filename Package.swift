// swift-tools-version:5.9
// The Swift client, in sdk-swift/. It stands at the root so that a tag of this repository is a version of the package.

import PackageDescription

let strict: [SwiftSetting] = [.enableExperimentalFeature("StrictConcurrency")]

let package = Package(
  name: "grandstand",
  platforms: [.iOS(.v15), .macOS(.v12), .tvOS(.v15), .watchOS(.v8)],
  products: [
    .library(name: "Grandstand", targets: ["Grandstand"]),
    .library(name: "GrandstandLiveLike", targets: ["GrandstandLiveLike"]),
  ],
  targets: [
    .target(name: "Grandstand", path: "sdk-swift/Sources/Grandstand", swiftSettings: strict),
    .target(
      name: "GrandstandLiveLike", dependencies: ["Grandstand"], path: "sdk-swift/Sources/GrandstandLiveLike",
      swiftSettings: strict),
    .target(
      name: "GrandstandSamples", dependencies: ["Grandstand", "GrandstandLiveLike"], path: "sdk-swift/Samples",
      swiftSettings: strict),
    .testTarget(
      name: "GrandstandTests", dependencies: ["Grandstand", "GrandstandLiveLike", "GrandstandSamples"],
      path: "sdk-swift/Tests/GrandstandTests", swiftSettings: strict),
  ]
)
