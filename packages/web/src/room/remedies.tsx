import { type SdkErrorCode, toSdkError } from '@meridian/client';
import { RoomSlug } from '@meridian/protocol';
import { useState } from 'react';
import { AccountDialog } from '../account/account-dialog.tsx';
import { messageOf, type Remedy } from '../errors/messages.ts';
import { navigate, revisit } from '../router.ts';
import { account, api } from '../service.ts';
import { Button } from '../ui/button.tsx';

/** What can be done about a failure, as buttons; the first one is the obvious one. */
export function Remedies({ code, slug }: { readonly code: SdkErrorCode; readonly slug: string }) {
  return messageOf(code).remedies.map((remedy, index) => (
    <RemedyButton key={remedy} remedy={remedy} slug={slug} first={index === 0} />
  ));
}

interface RemedyButtonProps {
  readonly remedy: Remedy;
  readonly slug: string;
  readonly first: boolean;
}

function RemedyButton({ remedy, slug, first }: RemedyButtonProps) {
  const look = first ? 'primary' : 'secondary';
  switch (remedy) {
    case 'again':
      return (
        <Button look={look} onClick={revisit} data-testid="try-again">
          Try again
        </Button>
      );
    case 'home':
      return (
        <Button look={look} onClick={() => navigate('/')}>
          Back to the start
        </Button>
      );
    case 'reload':
      return (
        <Button look={look} onClick={() => window.location.reload()}>
          Load the page anew
        </Button>
      );
    case 'create':
      return <CreateButton look={look} slug={slug} />;
    case 'sign-in':
      return <SignInButton look={look} />;
  }
}

/** Makes the room that was looked for. */
function CreateButton({ look, slug }: { readonly look: 'primary' | 'secondary'; readonly slug: string }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const create = async () => {
    setBusy(true);
    try {
      await account.with((userToken) => api.createRoom(userToken, { slug: RoomSlug.parse(slug) }));
      revisit();
    } catch (thrown) {
      const error = toSdkError(thrown);
      // Somebody was quicker: the room is there now.
      if (error.code === 'room-slug-taken') revisit();
      else setProblem(messageOf(error.code).title);
      setBusy(false);
    }
  };
  return (
    <Button look={look} busy={busy} onClick={() => void create()} data-testid="create-it">
      {problem ?? 'Create this room'}
    </Button>
  );
}

function SignInButton({ look }: { readonly look: 'primary' | 'secondary' }) {
  const [mode, setMode] = useState<'sign-in' | 'sign-up' | null>(null);
  const close = () => {
    setMode(null);
    if (account.isSignedIn) revisit();
  };
  return (
    <>
      <Button look={look} onClick={() => setMode('sign-in')}>
        Sign in
      </Button>
      {mode !== null && <AccountDialog mode={mode} onMode={setMode} onClose={close} />}
    </>
  );
}
