// The shape that Android apps give their data: one repository, states to draw, and calls that say what went wrong.

package dev.grandstand.samples

import dev.grandstand.client.ApiException
import dev.grandstand.client.GrandstandClient
import dev.grandstand.client.GrandstandException
import dev.grandstand.client.InvalidTokenException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.SharingStarted
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.catch
import kotlinx.coroutines.flow.combine
import kotlinx.coroutines.flow.onStart
import kotlinx.coroutines.flow.stateIn

/** What the screen of a fan shows. */
public data class FanState(
    val nickname: String? = null,
    val isVip: Boolean = false,
    val problem: String? = null,
)

/**
 * @param scope of the app: `ProcessLifecycleOwner.get().lifecycleScope`, say
 */
public class FanRepository(
    private val fan: GrandstandClient,
    scope: CoroutineScope,
) {
    private val problem = MutableStateFlow<String?>(null)
    private val isVip: Flow<Boolean> = fan.membership("vip").onStart { emit(false) }.catch { emit(false) }

    public val state: StateFlow<FanState> =
        combine(fan.profile, isVip, problem) { profile, isVip, problem -> FanState(profile?.nickname, isVip, problem) }
            .stateIn(scope, SharingStarted.WhileSubscribed(5000), FanState())

    public suspend fun start(): Unit = tell { fan.init() }

    public suspend fun rename(nickname: String): Unit = tell { fan.setNickname(nickname) }

    public fun voted(poll: String) {
        fan.track("poll-voted", mapOf("poll" to poll))
    }

    /** `onStop` of the app: what waits is sent now, and if the app ends first, at its next start. */
    public fun onBackground(): Unit = fan.flushSoon()

    private suspend fun tell(call: suspend () -> Unit) {
        problem.value =
            try {
                call()
                null
            } catch (_: InvalidTokenException) {
                "You are signed out."
            } catch (error: ApiException) {
                error.message
            } catch (_: GrandstandException) {
                "No connection. It is tried again later."
            }
    }
}
