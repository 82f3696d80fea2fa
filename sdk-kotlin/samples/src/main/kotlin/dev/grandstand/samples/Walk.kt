// The walk of the README, piece by piece; a test holds the two together.

package dev.grandstand.samples

import dev.grandstand.client.ApiException
import dev.grandstand.client.FileStorage
import dev.grandstand.client.FormerTokens
import dev.grandstand.client.GrandstandClient
import dev.grandstand.client.GroupMembership
import dev.grandstand.client.InvalidTokenException
import dev.grandstand.client.OnInvalidToken
import dev.grandstand.client.Profile
import kotlinx.coroutines.flow.first
import java.io.File

public class Walk(
    private val clientId: String,
    private val endpoint: String,
    private val folder: File,
) {
    public val shown: MutableList<String> = ArrayList()

    private fun showLounge() {
        shown += "lounge"
    }

    private fun welcome(group: GroupMembership) {
        shown += "welcome to ${group.groupName}"
    }

    private fun showProblem(problem: String) {
        shown += problem
    }

    public suspend fun start(): GrandstandClient {
        val fan = GrandstandClient(clientId, endpoint, FileStorage(folder))
        val profile = fan.init()
        println(profile.nickname) // "Final Horse", until the fan chooses another
        return fan
    }

    public suspend fun change(fan: GrandstandClient): Profile {
        fan.setNickname("Ada")
        fan.setAttributes(mapOf("team" to "lions", "newsletter" to null)) // the others stay; null removes
        fan.update { customData("""{"theme": "dark"}""") }
        return fan.refresh()
    }

    public suspend fun act(fan: GrandstandClient) {
        fan.track("poll-voted", mapOf("poll" to "man-of-the-match"))
        fan.flush()
    }

    public suspend fun ask(fan: GrandstandClient) {
        if (fan.isMember("season-ticket-holders")) showLounge()
    }

    public suspend fun follow(fan: GrandstandClient) {
        fan.groupChanges().collect { change -> change.entered.forEach(::welcome) }
    }

    public suspend fun followOne(fan: GrandstandClient) {
        fan.membership("season-ticket-holders").first { it }
    }

    public suspend fun signIn(
        fan: GrandstandClient,
        accessToken: String,
    ) {
        fan.identify(accessToken)
        fan.signOut()
    }

    public suspend fun signInAndFollow(
        fan: GrandstandClient,
        accessToken: String,
    ) {
        fan.identify(accessToken, FormerTokens.FOLLOW)
    }

    public suspend fun rename(
        fan: GrandstandClient,
        nickname: String,
    ) {
        try {
            fan.setNickname(nickname)
        } catch (error: ApiException) {
            showProblem(error.fields["nickname"]?.first() ?: error.message.orEmpty())
        }
    }

    public suspend fun resume(
        accessToken: String,
        fetchFreshToken: suspend () -> String,
    ): GrandstandClient {
        fun open(token: String) = GrandstandClient(clientId, endpoint, FileStorage(folder)) { this.accessToken = token }
        return try {
            open(accessToken).also { it.init() }
        } catch (_: InvalidTokenException) {
            open(fetchFreshToken()).also { it.init() }
        }
    }

    public fun configured(): GrandstandClient =
        GrandstandClient(clientId, endpoint, FileStorage(folder)) {
            nickname = "Ada"
            onInvalidToken = OnInvalidToken.CREATE
            onDrop = { drop -> println(drop) }
        }
}
